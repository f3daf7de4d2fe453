"""Plugins with tables for these tests: the module, and the files of its revisions."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_MODULE = """
from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ticketgen import Migrations, Plugin, hookimpl
from ticketgen.domain.sessions import WorkSession
from ticketgen.tables import new_id, table_registry


class Base(DeclarativeBase):
    registry = table_registry()


class Label(Base):
    __tablename__ = "{name}_labels"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey(WorkSession.id, ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(String(100))
    made_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    {columns}


@hookimpl
def ticketgen_plugin() -> Plugin:
    return Plugin(
        name="{name}",
        summary="Labels sessions.",
        migrations=Migrations(
            versions=Path(__file__).with_name("versions"), metadata=Base.metadata
        ),
        {fields}
    )
"""

_REVISION = """
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {after!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
"""

_LABELS = """op.create_table(
        "{name}_labels",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(100), nullable=False),
        sa.Column(
            "made_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name="pk_{name}_labels"),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name="fk_{name}_labels_session_id_sessions",
            ondelete="CASCADE",
        ),
    )"""


def plugin_with_tables(name: str, *, columns: str = "", fields: str = "") -> str:
    """A module with one model, `{name}_labels`, and what else is given."""
    return _MODULE.format(name=name, columns=columns, fields=fields)


def revision(
    number: str, *, after: str | None = None, upgrade: str = "pass", downgrade: str = "pass"
) -> str:
    """The text of a revision file."""
    return _REVISION.format(revision=number, after=after, upgrade=upgrade, downgrade=downgrade)


def first(name: str) -> dict[str, str]:
    """The revision that makes the table of the model."""
    made = revision(
        "0001",
        upgrade=_LABELS.format(name=name),
        downgrade=f'op.drop_table("{name}_labels")',
    )
    return {"versions/0001_labels.py": made}


def second(name: str, *, upgrade: str | None = None) -> dict[str, str]:
    """The revision after it: the column `colour`, or what is given."""
    column = f'op.add_column("{name}_labels", sa.Column("colour", sa.String(20)))'
    changed = revision(
        "0002",
        after="0001",
        upgrade=column if upgrade is None else upgrade,
        downgrade=f'op.drop_column("{name}_labels", "colour")',
    )
    return {"versions/0002_colour.py": changed}


COLOUR = "colour: Mapped[str | None] = mapped_column(String(20))"
"""The column of the second revision, for the model."""


async def tables_in(engine: AsyncEngine, *, beginning: str) -> list[str]:
    """The tables whose name begins like that."""
    async with engine.connect() as connection:
        found = await connection.execute(
            text(
                "SELECT tablename FROM pg_tables "
                "WHERE schemaname = 'public' AND starts_with(tablename, :beginning) ORDER BY 1"
            ),
            {"beginning": beginning},
        )
        return list(found.scalars())
