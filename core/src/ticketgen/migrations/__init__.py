"""Brings the database's schema up to date, and says when it is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.database import unhurried_engine
from ticketgen.errors import ConfigurationError

__all__ = ["SchemaError", "require_current_schema", "schema_revisions", "upgrade_schema"]

VERSION_TABLE = "ticketgen_schema"
"""Core's own; every plugin with tables has another."""

_MIGRATION_LOCK = 0x71C4_0002


class SchemaError(ConfigurationError):
    """The database's schema is not the one this version works with."""

    code = "schema"


def alembic_config() -> Config:
    """Alembic's configuration, from inside the installed package: no alembic.ini is needed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def _current(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


async def schema_revisions(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """The revision the database is at, and the one this version of the code needs."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    async with engine.connect() as connection:
        return await connection.run_sync(_current), head


async def require_current_schema(engine: AsyncEngine) -> None:
    """Refuse to work on another schema than ours.

    Raises:
        SchemaError: the database has no schema yet, an older one, or a newer one.
    """
    current, head = await schema_revisions(engine)
    if current == head:
        return
    state = "has no schema yet" if current is None else f"is at revision {current}"
    raise SchemaError(
        f"The database {state}; this version needs {head}.",
        recovery_actions=["Run `ticketgen db upgrade` with the version that is to be used."],
    )


def _upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    if _current(connection) is None:
        tables = sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE})
        if tables:
            raise SchemaError(
                f"The database {connection.engine.url.database!r} is not empty and not ours "
                f"(it has the table {tables[0]!r}).",
                recovery_actions=["Name an empty database in TICKETGEN_DATABASE_URL."],
            )
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def upgrade_schema(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """Migrate to the newest revision, in one transaction, one process at a time.

    Returns the revisions before and after.

    Raises:
        SchemaError: the database is not empty and not ours; it is left as it was.
    """
    before, _ = await schema_revisions(engine)
    async with unhurried_engine(engine) as unhurried, unhurried.begin() as connection:
        await connection.run_sync(_upgrade)
    after, _ = await schema_revisions(engine)
    return before, after
