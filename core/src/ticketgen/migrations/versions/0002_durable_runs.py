"""Durable runs: attempts with leases, effects, known schedules.

Revision: 0002
After: 0001
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INDEXED = (
    ["created_at", "id"],
    ["requested_by", "created_at"],
    ["lineage_id", "retry_count"],
    ["retry_of"],
)
_NOW = sa.text("clock_timestamp()")


def _time(name: str, *, nullable: bool = True, now: bool = False) -> sa.Column[datetime]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        nullable=nullable,
        server_default=_NOW if now else None,
    )


def upgrade() -> None:
    _attempts()
    _effects()
    _schedules()
    op.add_column("workers", _time("stopped_at"))
    op.add_column(
        "workers",
        sa.Column("plugins", postgresql.JSONB(), nullable=False, server_default=sa.text("'{}'")),
    )
    op.alter_column("workers", "plugins", server_default=None)
    op.add_column(
        "workers", sa.Column("lag", sa.Float(), nullable=False, server_default=sa.text("0"))
    )
    op.alter_column("workers", "lag", server_default=None)
    _runs()


def _attempts() -> None:
    op.create_table(
        "run_attempts",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Uuid(), nullable=False),
        sa.Column("worker", sa.String(length=300), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        _time("started_at", nullable=False, now=True),
        _time("lease_expires_at", nullable=False),
        _time("ended_at"),
        sa.Column("outcome", sa.String(length=30), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["session_tasks.id"],
            name=op.f("fk_run_attempts_run_id_session_tasks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "attempt", name=op.f("pk_run_attempts")),
    )
    op.create_index(
        "ix_run_attempts_open",
        "run_attempts",
        ["worker_id"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )


def _effects() -> None:
    op.create_table(
        "effects",
        sa.Column("plugin", sa.String(length=100), nullable=False),
        sa.Column("operation", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=30), nullable=False),
        _time("began_at", nullable=False, now=True),
        _time("over_at", nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        _time("settled_at"),
        # In this order: an insert locks what it refers to in it, session before run.
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_effects_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["session_tasks.id"],
            name=op.f("fk_effects_run_id_session_tasks"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("plugin", "operation", "key", name=op.f("pk_effects")),
    )
    op.create_index(op.f("ix_effects_session_id"), "effects", ["session_id"])
    op.create_index(op.f("ix_effects_run_id"), "effects", ["run_id"])


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("cron", sa.String(length=200), nullable=False),
        sa.Column("zone", sa.String(length=100), nullable=False),
        _time("since", nullable=False, now=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
    )
    op.add_column(
        "schedule_fires",
        sa.Column("outcome", sa.String(length=30), nullable=False, server_default="started"),
    )
    op.alter_column("schedule_fires", "outcome", server_default=None)
    op.add_column("schedule_fires", _time("recorded_at", nullable=False, now=True))
    op.create_index(op.f("ix_schedule_fires_task_id"), "schedule_fires", ["task_id"])


def _runs() -> None:
    # What was running is queued again: an attempt without a lease would never be rescued.
    op.execute(
        "UPDATE session_tasks SET state = 'queued', tries = greatest(tries - 1, 0), "
        "delivery = delivery + 1 WHERE state = 'running'"
    )
    op.drop_column("session_tasks", "worker_id")
    op.add_column("session_tasks", sa.Column("request", sa.JSON(), nullable=True))
    op.add_column("session_tasks", sa.Column("stage_moves", postgresql.JSONB(), nullable=True))
    op.add_column("session_tasks", sa.Column("schedule", sa.String(length=200), nullable=True))
    op.add_column("session_tasks", sa.Column("parked", postgresql.JSONB(), nullable=True))
    op.add_column("session_tasks", _time("cancel_requested_at"))
    op.add_column("session_tasks", _time("announced_at"))
    op.execute("UPDATE session_tasks SET announced_at = finished_at WHERE finished_at IS NOT NULL")
    for columns in _INDEXED:
        op.create_index(f"ix_session_tasks_{'_'.join(columns)}", "session_tasks", columns)
    op.create_index(
        "ix_session_tasks_schedule",
        "session_tasks",
        ["schedule"],
        postgresql_where=sa.text(
            "schedule IS NOT NULL AND state IN ('queued', 'running', 'parked')"
        ),
    )
    op.create_index(
        "ix_session_tasks_parked",
        "session_tasks",
        ["task_type"],
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_session_tasks_unannounced",
        "session_tasks",
        ["finished_at"],
        postgresql_where=sa.text("finished_at IS NOT NULL AND announced_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_session_tasks_unannounced", table_name="session_tasks")
    op.drop_index("ix_session_tasks_parked", table_name="session_tasks")
    op.drop_index("ix_session_tasks_schedule", table_name="session_tasks")
    for columns in _INDEXED:
        op.drop_index(f"ix_session_tasks_{'_'.join(columns)}", table_name="session_tasks")
    for name in (
        "announced_at",
        "cancel_requested_at",
        "parked",
        "schedule",
        "stage_moves",
        "request",
    ):
        op.drop_column("session_tasks", name)
    op.add_column("session_tasks", sa.Column("worker_id", sa.Uuid(), nullable=True))
    for name in ("lag", "plugins", "stopped_at"):
        op.drop_column("workers", name)
    op.drop_index(op.f("ix_schedule_fires_task_id"), table_name="schedule_fires")
    op.drop_column("schedule_fires", "recorded_at")
    op.drop_column("schedule_fires", "outcome")
    for table in ("schedules", "effects", "run_attempts"):
        op.drop_table(table)
