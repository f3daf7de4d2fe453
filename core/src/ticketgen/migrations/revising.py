"""Writes the revision that brings a tree's tables to its models, and says how they differ."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.errors import ConfigurationError
from ticketgen.migrations.ownership import owner_of
from ticketgen.migrations.trees import (
    SchemaError,
    Tree,
    alembic_config,
    current_revision,
    environment,
    known_plugins,
    read_line,
    schema_problem,
)

__all__ = ["schema_differences", "write_revision"]


async def write_revision(
    engine: AsyncEngine,
    tree: Tree,
    *,
    message: str,
    empty: bool = False,
    beside: Sequence[Tree] = (),
) -> Path | None:
    """Write a revision file after the present last one; None if nothing differs.

    The database, at that last revision, is compared with the models; only the tree's own tables
    are looked at, none that are in the models of those `beside` it. With `empty` nothing is
    compared: for a revision that changes rows.

    Raises:
        ConfigurationError: the directory of the revisions is not the author's own.
        SchemaError: the database is at another revision, or the revisions cannot be used.
    """
    _require_source(tree)
    async with engine.connect() as connection:
        return await connection.run_sync(_write, tree, message, empty, beside)


async def schema_differences(engine: AsyncEngine, tree: Tree) -> tuple[str, ...]:
    """How the tables of a migrated database differ from the models; empty if they agree."""
    async with engine.connect() as connection:
        return await connection.run_sync(_differences, tree)


def _require_source(tree: Tree) -> None:
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    place = tree.versions.resolve()
    if any(place.is_relative_to(folder) for folder in installed):
        raise ConfigurationError(
            f"{place} belongs to an installed copy of the plugin.",
            recovery_actions=[
                "Install its source with `pip install -e .`, so that the revision is written there."
            ],
        )
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"{place} is no directory that can be written to.",
            recovery_actions=["Make it, or have its permissions corrected."],
        )


def _write(
    connection: Connection, tree: Tree, message: str, empty: bool, beside: Sequence[Tree]
) -> Path | None:
    known: frozenset[str] = frozenset()
    if any(path.name != "__init__.py" for path in tree.versions.glob("*.py")):
        line = read_line(tree)
        known = line.known
        problem = schema_problem(tree, line, current_revision(connection, tree))
        if problem is not None:
            raise problem
    elif current_revision(connection, tree) is not None:
        raise SchemaError(
            f"The database has revisions of {tree.owner} that {tree.versions} has not.",
            recovery_actions=["Bring the files back, or take an empty database."],
        )
    config = _config(connection, tree, beside)
    script = command.revision(
        config,
        message,
        autogenerate=not empty,
        rev_id=_next_id(known),
        process_revision_directives=None if empty else _drop_if_empty,
    )
    return Path(script.path) if script and not isinstance(script, list) else None


def _next_id(known: frozenset[str]) -> str | None:
    """The number after the last, as long as all are numbers; else Alembic's own choice."""
    if not all(revision.isdecimal() for revision in known):
        return None
    return f"{max((int(revision) for revision in known), default=0) + 1:04d}"


def _drop_if_empty(_context: object, _revision: object, scripts: list[MigrationScript]) -> None:
    operations = scripts[0].upgrade_ops
    if operations is None or operations.is_empty():
        scripts.clear()


def _differences(connection: Connection, tree: Tree) -> tuple[str, ...]:
    options = environment(_config(connection, tree, beside=()))
    del options["connection"]
    context = MigrationContext.configure(connection, opts=options)
    return tuple(_described(item) for item in compare_metadata(context, tree.metadata))


def _described(difference: Any) -> str:
    steps = difference if isinstance(difference, list) else [difference]
    return "; ".join(" ".join(str(part) for part in step if part is not None) for step in steps)


def _config(connection: Connection, tree: Tree, beside: Sequence[Tree]) -> Any:
    config = alembic_config(tree, owns=_ownership(connection, tree, beside))
    config.attributes["connection"] = connection
    return config


def _ownership(connection: Connection, tree: Tree, beside: Sequence[Tree]) -> Callable[[str], bool]:
    plugins = known_plugins(connection, [*beside, tree])
    return lambda table: owner_of(table, plugins) == tree.owner
