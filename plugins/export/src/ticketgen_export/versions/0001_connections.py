"""Connections to Jira sites, and authorizations that have not come back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _created_at() -> sa.Column[object]:
    return sa.Column(
        "created_at",
        sa.DateTime(timezone=True),
        server_default=sa.text("clock_timestamp()"),
        nullable=False,
    )


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"fk_{table}_user_id_users", ondelete="CASCADE"
    )


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "export_connections",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("site_url", sa.String(300), nullable=False),
        sa.Column("api_url", sa.String(300), nullable=False),
        sa.Column("cloud_id", sa.String(100)),
        sa.Column("account_id", sa.String(200), nullable=False),
        sa.Column("account_name", sa.String(300), nullable=False),
        sa.Column("email", sa.String(300)),
        sa.Column("scopes", postgresql.JSONB()),
        _created_at(),
        sa.Column("checked_at", sa.DateTime(timezone=True)),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("renewal_id", sa.Uuid()),
        sa.Column("renewal_until", sa.DateTime(timezone=True)),
        sa.Column("lost_at", sa.DateTime(timezone=True)),
        sa.Column("lost_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_export_connections"),
        _of_user("export_connections"),
    )
    op.create_index("ix_export_connections_user_id", "export_connections", ["user_id"])
    op.create_table(
        "export_authorizations",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("redirect_uri", sa.String(500), nullable=False),
        sa.Column("site_url", sa.String(300)),
        _created_at(),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_export_authorizations"),
        _of_user("export_authorizations"),
    )
    for column in ("user_id", "expires_at"):
        op.create_index(f"ix_export_authorizations_{column}", "export_authorizations", [column])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("export_authorizations")
    op.drop_table("export_connections")
