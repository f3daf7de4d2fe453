"""How the schema of each owner stands: where it is, and where it has to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.migrations.ownership import CORE, owner_of, version_table_of
from ticketgen.migrations.trees import (
    CORE_TREE,
    SchemaError,
    Tree,
    current_revision,
    known_plugins,
    needed_line,
    plugin_tree,
    read_line,
    revision_in,
    schema_problem,
)
from ticketgen.plugin import Migrations

__all__ = [
    "TreeState",
    "plugin_schema_problem",
    "require_current_schema",
    "schema_revisions",
    "survey_schemas",
    "tables_of",
]


@dataclass(frozen=True, kw_only=True)
class TreeState:
    """How one owner's schema stands."""

    owner: str
    current: str | None
    """The revision its tables are at; None if it has none."""
    needed: str | None
    """The one its code needs; None if there is no code to say so."""
    tables: tuple[str, ...]
    """What it has in the database, without the table of its revision."""
    problem: SchemaError | None = None
    """Why it cannot be used as it is."""


async def schema_revisions(engine: AsyncEngine) -> tuple[str | None, str | None]:
    """The revision core's tables are at, and the one this version of the code needs."""
    head = read_line(CORE_TREE).head
    async with engine.connect() as connection:
        return await connection.run_sync(current_revision, CORE_TREE), head


async def require_current_schema(engine: AsyncEngine) -> None:
    """Refuse to work on another schema of core's than ours.

    Raises:
        SchemaError: the database has no schema yet, an older one, or a newer one.
    """
    problem = await _problem(engine, CORE_TREE)
    if problem is not None:
        raise problem


async def plugin_schema_problem(
    engine: AsyncEngine, name: str, migrations: Migrations
) -> SchemaError | None:
    """Why a plugin cannot work on the tables it finds; None if it can.

    What goes wrong with the database itself is raised as it comes.
    """
    return await _problem(engine, plugin_tree(name, migrations))


async def survey_schemas(engine: AsyncEngine, trees: Sequence[Tree]) -> tuple[TreeState, ...]:
    """Core's state, those of these plugins, and those of all others that have tables here."""
    async with engine.connect() as connection:
        return await connection.run_sync(_survey, trees)


def tables_of(
    connection: Connection, owner: str, plugins: Mapping[str, Collection[str]]
) -> tuple[str, ...]:
    """The tables of one owner that are in the database, without that of its revision."""
    return tuple(
        sorted(
            table
            for table in inspect(connection).get_table_names()
            if table != version_table_of(owner) and owner_of(table, plugins) == owner
        )
    )


async def _problem(engine: AsyncEngine, tree: Tree) -> SchemaError | None:
    try:
        line = needed_line(tree)
        async with engine.connect() as connection:
            current = await connection.run_sync(current_revision, tree)
    except SchemaError as error:
        return error
    return schema_problem(tree, line, current)


def _survey(connection: Connection, trees: Sequence[Tree]) -> tuple[TreeState, ...]:
    plugins = known_plugins(connection, trees)
    installed = {tree.owner for tree in trees}
    left = [name for name in plugins if name not in installed]
    return (
        *(_state(connection, tree, plugins) for tree in (CORE_TREE, *trees)),
        *(_left_over(connection, name, plugins) for name in left),
    )


def _state(connection: Connection, tree: Tree, plugins: Mapping[str, Collection[str]]) -> TreeState:
    tables = () if tree.owner == CORE else tables_of(connection, tree.owner, plugins)
    current = needed = None
    try:
        current = current_revision(connection, tree)
        line = read_line(tree)
        needed = line.head
        problem = schema_problem(tree, line, current)
    except SchemaError as error:
        problem = error
    return TreeState(
        owner=tree.owner, current=current, needed=needed, tables=tables, problem=problem
    )


def _left_over(
    connection: Connection, name: str, plugins: Mapping[str, Collection[str]]
) -> TreeState:
    return TreeState(
        owner=name,
        current=revision_in(connection, version_table_of(name)),
        needed=None,
        tables=tables_of(connection, name, plugins),
    )
