"""Takes a plugin's tables back, by its own revisions, before it is uninstalled."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alembic import command
from sqlalchemy import Connection, column, func, select, table, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from ticketgen.database import unhurried_engine
from ticketgen.domain import audit
from ticketgen.migrations.guarding import own_tables_only
from ticketgen.migrations.survey import tables_of
from ticketgen.migrations.trees import (
    SchemaError,
    Tree,
    alembic_config,
    current_revision,
    first_line,
    known_plugins,
    read_line,
    schema_problem,
)
from ticketgen.migrations.upgrading import lock_schema

__all__ = ["Loss", "downgrade_plugin", "expected_loss"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a downgrade to nothing takes away."""

    revision: str | None
    """The one the tables are at; None if there is nothing to take back."""
    rows: Mapping[str, int]
    """Table → how many rows it has."""


async def expected_loss(engine: AsyncEngine, tree: Tree, *, beside: Sequence[Tree] = ()) -> Loss:
    """Count what is in a plugin's tables, without those of the plugins installed beside it.

    Raises:
        SchemaError: the tables are at a revision that the installed version does not know, or
            its revisions cannot be used.
    """
    async with unhurried_engine(engine) as unhurried, unhurried.connect() as connection:
        return await connection.run_sync(_loss, tree, beside)


async def downgrade_plugin(
    engine: AsyncEngine, tree: Tree, *, beside: Sequence[Tree] = ()
) -> tuple[str, ...]:
    """Run all `downgrade` functions of a plugin, in one transaction; the tables they left.

    The table of its revision goes with them, and the audit log says so. What is left has to be
    dropped by hand.

    Raises:
        SchemaError: see `expected_loss`; or one of the functions raises, or touches tables that
            are not the plugin's. Nothing is changed then.
    """
    try:
        async with unhurried_engine(engine) as unhurried, unhurried.begin() as connection:
            loss = await connection.run_sync(_loss, tree, beside)
            left = await connection.run_sync(_downgrade, tree, beside)
            async with AsyncSession(connection) as db:
                details = {"revision": loss.revision, "rows": dict(loss.rows)}
                audit.record(db, "plugin_tables.dropped", subject=tree.owner, details=details)
                await db.flush()
            return left
    except (KeyboardInterrupt, CancelledError, SchemaError):
        raise
    except BaseException as error:  # whatever a stranger's revision does
        raise SchemaError(
            f"The revisions of {tree.owner!r} cannot be taken back, nothing was changed: "
            f"{first_line(error)}",
            recovery_actions=[
                "Install a version of the plugin that can, or drop its tables by hand, with "
                f"{tree.version_table}; `ticketgen db status` lists them."
            ],
        ) from error


def _loss(connection: Connection, tree: Tree, beside: Sequence[Tree]) -> Loss:
    revision = _known_revision(connection, tree)
    names = tables_of(connection, tree.owner, known_plugins(connection, [*beside, tree]))
    return Loss(
        revision=revision,
        rows={name: _count(connection, name) for name in names} if revision else {},
    )


def _count(connection: Connection, name: str) -> int:
    rows = table(name, column("*", is_literal=True))
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def _known_revision(connection: Connection, tree: Tree) -> str | None:
    line = read_line(tree)
    revision = current_revision(connection, tree)
    problem = schema_problem(tree, line, revision)
    if problem is not None and revision is not None and revision not in line.known:
        raise problem
    return revision


def _downgrade(connection: Connection, tree: Tree, beside: Sequence[Tree]) -> tuple[str, ...]:
    lock_schema(connection)
    if _known_revision(connection, tree) is None:
        raise SchemaError(
            f"The plugin {tree.owner!r} has no schema in this database.",
            recovery_actions=["See `ticketgen db status`."],
        )
    plugins = known_plugins(connection, [*beside, tree])
    config = alembic_config(tree)
    config.attributes["connection"] = connection
    with own_tables_only(connection, tree.owner, plugins):
        command.downgrade(config, "base")
        connection.execute(text(f'DROP TABLE "{tree.version_table}"'))
    return tables_of(connection, tree.owner, plugins)
