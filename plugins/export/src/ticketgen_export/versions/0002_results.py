"""What became of each ticket of an export, and what is known of the projects they go to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _moment(name: str, *, given: bool = True) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()") if given else None,
        nullable=not given,
    )


def _of_session(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["session_id"],
        ["sessions.id"],
        name=op.f(f"fk_{table}_session_id_sessions"),
        ondelete="CASCADE",
    )


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "export_results",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.String(100), nullable=False),
        sa.Column("place", sa.String(100), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("url", sa.Text()),
        sa.Column("manual_fixes", postgresql.JSONB(), nullable=False),
        sa.Column("closing_fixes", postgresql.JSONB(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        _moment("sent_at"),
        _moment("completed_at", given=False),
        _of_session("export_results"),
        sa.PrimaryKeyConstraint(
            "session_id", "target", "place", "ticket_id", name=op.f("pk_export_results")
        ),
    )
    op.create_table(
        "export_project_facts",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("people", postgresql.JSONB(), nullable=False),
        _moment("read_at"),
        _of_session("export_project_facts"),
        sa.PrimaryKeyConstraint("session_id", "digest", name=op.f("pk_export_project_facts")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("export_project_facts")
    op.drop_table("export_results")
