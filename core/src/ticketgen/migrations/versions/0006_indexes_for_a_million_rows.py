"""Indexes by which a million rows are read as fast as a few, and none that writing pays for.

Revision: 0006
After: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NEW: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    ("session_tasks", "task_type_created_at_id", ("task_type", "created_at", "id"), None),
    ("session_tasks", "failed", ("created_at", "id"), "state IN ('failed', 'cancelled')"),
    ("run_attempts", "parked", ("run_id",), "outcome = 'parked'"),
    ("sessions", "open", ("updated_at",), "stage <> 'completed'"),
    ("sessions", "owner_id_updated_at", ("owner_id", "updated_at"), None),
    ("audit_log", "session_id_at", ("session_id", "at"), None),
    (
        "session_errors",
        "session_id_created_at_id",
        ("session_id", "created_at", "id"),
        None,
    ),
    ("effects", "began_at", ("began_at",), None),
    ("effects", "intended", ("plugin",), "state = 'intended'"),
)
"""Table, what the index is called, columns, and the rows it has."""

_NARROWED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("requested_by_created_at", ("requested_by", "created_at"), "requested_by IS NOT NULL"),
    ("lineage_id_retry_count", ("lineage_id", "retry_count"), "retry_count > 0"),
    ("retry_of", ("retry_of",), "retry_of IS NOT NULL"),
    (
        "session_id_task_type",
        ("session_id", "task_type", "created_at"),
        "session_id IS NOT NULL",
    ),
)
"""Of `session_tasks`: what they had of every row."""

_REPLACED = (
    ("sessions", "owner_id"),
    ("audit_log", "session_id"),
    ("session_errors", "session_id"),
)
"""A new one begins with the same column."""


def upgrade() -> None:
    for table, name, columns, rows in _NEW:
        _create(table, name, columns, rows)
    for table, name in _REPLACED:
        op.drop_index(f"ix_{table}_{name}", table_name=table)
    for name, columns, rows in _NARROWED:
        op.drop_index(f"ix_session_tasks_{name}", table_name="session_tasks")
        _create("session_tasks", name, columns, rows)


def _create(table: str, name: str, columns: tuple[str, ...], rows: str | None) -> None:
    op.create_index(
        f"ix_{table}_{name}",
        table,
        list(columns),
        postgresql_where=None if rows is None else sa.text(rows),
    )


def downgrade() -> None:
    for name, columns, _ in _NARROWED:
        op.drop_index(f"ix_session_tasks_{name}", table_name="session_tasks")
        _create("session_tasks", name, columns, None)
    for table, column in _REPLACED:
        _create(table, column, (column,), None)
    for table, name, _, _ in _NEW:
        op.drop_index(f"ix_{table}_{name}", table_name=table)
