"""What is known of an uploaded sheet, what was generated, and who changed a dependency.

Revision: 0004
After: 0003
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("uploads", "file_name", type_=sa.String(300))
    op.add_column("uploads", sa.Column("workbook", sa.String(255)))
    for column, kind, default in (
        ("confidence", sa.Float(), "1"),
        ("detected_by", sa.String(30), "''"),
        ("encoding", sa.String(40), "''"),
    ):
        _add("uploads", column, kind, default)
    for column, kind in (
        ("generated_title", sa.Text()),
        ("generated_description", sa.Text()),
        ("writer", sa.String(50)),
    ):
        _add("tickets", column, kind, "''")
    # What a ticket was before its edits is not known any more; the others are as generated.
    op.execute(
        "UPDATE tickets SET generated_title = title, generated_description = description"
        " WHERE edited_at IS NULL"
    )
    for column in ("by_person", "removed"):
        _add("ticket_dependencies", column, sa.Boolean(), "false")


def _add(table: str, column: str, kind: sa.types.TypeEngine[Any], default: str) -> None:
    # The default stays: processes of the release before write no such column.
    op.add_column(table, sa.Column(column, kind, nullable=False, server_default=sa.text(default)))


def downgrade() -> None:
    op.execute("DELETE FROM ticket_dependencies WHERE removed")
    for table, columns in (
        ("ticket_dependencies", ("removed", "by_person")),
        ("tickets", ("writer", "generated_description", "generated_title")),
        ("uploads", ("encoding", "detected_by", "confidence", "workbook")),
    ):
        for column in columns:
            op.drop_column(table, column)
    # A sheet of a workbook may have a longer name than a file could.
    op.alter_column(
        "uploads",
        "file_name",
        type_=sa.String(255),
        postgresql_using="left(file_name, 255)",
    )
