"""Secrets of other systems, sealed.

Revision: 0005
After: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("plugin", sa.String(100), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("user_id", sa.Uuid()),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(20), nullable=False),
        *(
            sa.Column(
                name,
                sa.DateTime(timezone=True),
                server_default=sa.text("clock_timestamp()"),
                nullable=False,
            )
            for name in ("created_at", "updated_at")
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_secrets"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_secrets_user_id_users", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "plugin",
            "user_id",
            "name",
            name="uq_secrets_plugin_user_id_name",
            postgresql_nulls_not_distinct=True,
        ),
    )
    for column in ("user_id", "key_id", "expires_at"):
        op.create_index(f"ix_secrets_{column}", "secrets", [column])


def downgrade() -> None:
    op.drop_table("secrets")
