"""Brings core's tables and each plugin's up to date, so that no plugin can harm another's."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.conformance import Problem
from ticketgen.database import passes_by_itself, unhurried_engine
from ticketgen.migrations.guarding import own_tables_only
from ticketgen.migrations.ownership import CORE, VERSION_TABLE
from ticketgen.migrations.survey import schema_revisions
from ticketgen.migrations.trees import (
    CORE_TREE,
    SchemaError,
    Tree,
    alembic_config,
    current_revision,
    known_plugins,
    problem_of,
    read_line,
    schema_problem,
)

__all__ = [
    "TreeReport",
    "lock_schema",
    "upgrade_all",
    "upgrade_plugins",
    "upgrade_schema",
]

_MIGRATION_LOCK = 0x71C4_0002


@dataclass(frozen=True, kw_only=True)
class TreeReport:
    """What became of one owner's tables: the revisions before and after, or what went wrong."""

    owner: str
    before: str | None
    after: str | None
    """The same as before if something went wrong: its changes were rolled back together."""
    problem: Problem | None = None


async def upgrade_schema(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """Migrate core's tables to the newest revision, in one transaction, one process at a time.

    Returns the revisions before and after.

    Raises:
        SchemaError: the database is not empty and not ours; it is left as it was.
    """
    before, _ = await schema_revisions(engine)
    async with unhurried_engine(engine) as unhurried, unhurried.begin() as connection:
        await connection.run_sync(_upgrade_core)
    after, _ = await schema_revisions(engine)
    return before, after


async def upgrade_all(engine: AsyncEngine, trees: Sequence[Tree]) -> tuple[TreeReport, ...]:
    """Migrate core's tables, then each plugin's; one report for each, core's first.

    Raises:
        SchemaError: core's tables cannot be migrated; then no others are.
    """
    before, after = await upgrade_schema(engine)
    return (
        TreeReport(owner=CORE, before=before, after=after),
        *await upgrade_plugins(engine, trees),
    )


async def upgrade_plugins(engine: AsyncEngine, trees: Sequence[Tree]) -> tuple[TreeReport, ...]:
    """Migrate each plugin's tables, in a transaction of their own; core's must be up to date.

    What goes wrong with one is rolled back and reported, and the others go on.
    """
    async with unhurried_engine(engine) as unhurried:
        return tuple([await _upgraded(unhurried, tree, trees) for tree in trees])


def lock_schema(connection: Connection) -> None:
    """Wait until nobody else changes the schema; held until the transaction ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})


def _upgrade_core(connection: Connection) -> None:
    lock_schema(connection)
    if current_revision(connection, CORE_TREE) is None:
        tables = sorted(set(inspect(connection).get_table_names()) - {VERSION_TABLE})
        if tables:
            raise SchemaError(
                f"The database {connection.engine.url.database!r} is not empty and not ours "
                f"(it has the table {tables[0]!r}).",
                recovery_actions=["Name an empty database in TICKETGEN_DATABASE_URL."],
            )
    _upgrade(connection, CORE_TREE)


def _upgrade_plugin(connection: Connection, tree: Tree, installed: Sequence[Tree]) -> str | None:
    lock_schema(connection)
    plugins = known_plugins(connection, installed)
    before = current_revision(connection, tree)
    with own_tables_only(connection, tree.owner, plugins):
        _upgrade(connection, tree)
    return before


def _upgrade(connection: Connection, tree: Tree) -> None:
    line = read_line(tree)
    current = current_revision(connection, tree)
    if current is not None and current not in line.known:
        problem = schema_problem(tree, line, current)
        assert problem is not None  # noqa: S101 - an unknown revision is not the head
        raise problem
    from alembic import command

    config = alembic_config(tree)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _upgraded(engine: AsyncEngine, tree: Tree, installed: Sequence[Tree]) -> TreeReport:
    before: str | None = None
    try:
        async with engine.connect() as connection:
            before = await connection.run_sync(current_revision, tree)
        async with engine.begin() as connection:
            before = await connection.run_sync(_upgrade_plugin, tree, installed)
            after = await connection.run_sync(current_revision, tree)
    except (KeyboardInterrupt, CancelledError):
        raise
    except BaseException as error:  # whatever a stranger's revision does, `sys.exit` included
        return TreeReport(
            owner=tree.owner,
            before=before,
            after=before,
            problem=problem_of(error, remedy=_remedy(error)),
        )
    return TreeReport(owner=tree.owner, before=before, after=after)


def _remedy(error: BaseException) -> str:
    if isinstance(error, Exception) and passes_by_itself(error):
        return "Run `ticketgen db upgrade` again when the database answers."
    return (
        "Its changes were rolled back. Install another version of the plugin, or show its author "
        "the traceback; then run `ticketgen db upgrade` again."
    )
