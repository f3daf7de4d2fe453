"""Whether the tables of a plugin stay out of the way of the host's and of other plugins'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import ForeignKey, MetaData, Table

from ticketgen.conformance.problem import Problem, problem
from ticketgen.conformance.shape import field_problems
from ticketgen.database import Base
from ticketgen.plugin import Migrations, Plugin

__all__ = ["owner_by_name", "table_problems"]

_LETTING_GO = frozenset({"CASCADE", "SET NULL"})

_LONGEST_NAME = 63
"""Postgres cuts longer ones in silence."""


def owner_by_name(table: str, plugins: Iterable[str]) -> str | None:
    """The plugin among these whose name a table's begins with, the longest; None if none's."""
    fitting = [name for name in plugins if table == name or table.startswith(name + "_")]
    return max(fitting, key=len, default=None)


def table_problems(plugin: Plugin) -> Iterator[Problem]:
    """What is wrong with `migrations`: the revisions' place, the tables' names, foreign keys."""
    migrations = plugin.migrations
    if not isinstance(migrations, Migrations):
        return
    wrong = list(field_problems(migrations, "migrations", {"versions": Path, "metadata": MetaData}))
    yield from wrong
    if wrong:
        return
    yield from _place_problems(migrations.versions)
    if migrations.metadata is Base.metadata:
        yield problem(
            "the metadata of migrations is the host's own",
            "Declare the plugin's tables on a DeclarativeBase, or a MetaData, of its own.",
        )
        return
    for table in migrations.metadata.tables.values():
        yield from _name_problems(plugin.name, table)
        for key in table.foreign_keys:
            yield from _key_problems(table, key)


def _place_problems(versions: Path) -> Iterator[Problem]:
    if not versions.is_dir():
        yield problem(
            f"the directory of revisions {versions} does not exist",
            "Give Path(__file__).parent / 'versions', and ship it in the wheel.",
        )
    elif not any(versions.glob("*.py")):
        yield problem(
            f"the directory of revisions {versions} has no revision file",
            "Write one for the tables, and see that the wheel has it.",
        )


def _name_problems(plugin: str, table: Table) -> Iterator[Problem]:
    name = table.name
    if table.schema is not None:
        yield problem(
            f"table {name!r} is in the database schema {table.schema!r}",
            "Leave the schema out: plugins' tables are beside the host's.",
        )
    if name in Base.metadata.tables:
        yield problem(
            f"table {name!r} is the host's",
            "Refer to the host's tables by their classes: ForeignKey(WorkSession.id, …).",
        )
    elif name == f"{plugin}_schema":
        yield problem(
            f"table {name!r} is where the host keeps the plugin's revision", "Choose another name."
        )
    elif name != plugin and not name.startswith(f"{plugin}_"):
        yield problem(
            f"table {name!r} is outside the plugin's names",
            f"Call it {plugin!r} or {plugin + '_something'!r}.",
        )
    if len(name) > _LONGEST_NAME:
        yield problem(
            f"the name of table {name!r} is too long",
            f"Postgres takes {_LONGEST_NAME} characters; choose a shorter one.",
        )


def _key_problems(table: Table, key: ForeignKey) -> Iterator[Problem]:
    own = table.metadata.tables
    target = key.target_fullname.rpartition(".")[0]
    if target in own and target not in Base.metadata.tables:
        return
    if (key.ondelete or "").upper() not in _LETTING_GO:
        yield problem(
            f"{table.name}.{key.parent.name} refers to {key.target_fullname} without an ondelete",
            "Give it ondelete='CASCADE' or 'SET NULL': the host deletes its rows without asking.",
        )
