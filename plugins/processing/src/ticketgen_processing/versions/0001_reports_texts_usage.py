"""Reports on sheets, acceptances, written texts, and what they cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _now(name: str) -> sa.Column[object]:
    return sa.Column(
        name,
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )


def _of_session(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["session_id"],
        ["sessions.id"],
        name=f"fk_{table}_session_id_sessions",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "processing_reports",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("sheets_digest", sa.String(64), nullable=False),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.Column("warning_count", sa.Integer(), nullable=False),
        sa.Column("groups", postgresql.JSONB(), nullable=False),
        sa.Column("findings", postgresql.JSONB(), nullable=False),
        sa.Column("summary", postgresql.JSONB(), nullable=False),
        _now("made_at"),
        sa.PrimaryKeyConstraint("session_id", name="pk_processing_reports"),
        _of_session("processing_reports"),
    )
    op.create_table(
        "processing_acceptances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("group_id", sa.String(100), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("identities", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Uuid()),
        _now("accepted_at"),
        sa.PrimaryKeyConstraint("id", name="pk_processing_acceptances"),
        sa.UniqueConstraint(
            "session_id", "group_id", name="uq_processing_acceptances_session_id_group_id"
        ),
        _of_session("processing_acceptances"),
        sa.ForeignKeyConstraint(
            ["accepted_by"],
            ["users.id"],
            name="fk_processing_acceptances_accepted_by_users",
            ondelete="SET NULL",
        ),
    )
    _texts_and_usage()


def _texts_and_usage() -> None:
    op.create_table(
        "processing_texts",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", postgresql.JSONB(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("session_id", "digest", name="pk_processing_texts"),
        _of_session("processing_texts"),
    )
    op.create_table(
        "processing_usage",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_key", sa.String(300), nullable=False),
        sa.Column("writer", sa.String(50), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Numeric(12, 6)),
        _now("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_processing_usage"),
        _of_session("processing_usage"),
    )
    op.create_index("ix_processing_usage_session_id", "processing_usage", ["session_id"])


def downgrade() -> None:
    """Drop them."""
    for table in ("usage", "texts", "acceptances", "reports"):
        op.drop_table(f"processing_{table}")
