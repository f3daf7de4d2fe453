"""Which revision a tree of migrations needs, and which one the database is at."""

from __future__ import annotations

import traceback
import warnings
from argparse import Namespace
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Enum, MetaData, column, select, table, text

from ticketgen.conformance import Problem
from ticketgen.database import Base, UtcDateTime
from ticketgen.errors import ConfigurationError
from ticketgen.migrations.declared import declared_line
from ticketgen.migrations.line import Line
from ticketgen.migrations.ownership import (
    CORE,
    VERSION_TABLE,
    version_table_of,
    version_tables,
)
from ticketgen.plugin import Migrations

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.config import Config

__all__ = [
    "CORE_TREE",
    "Line",
    "SchemaError",
    "Tree",
    "alembic_config",
    "current_revision",
    "environment",
    "first_line",
    "known_plugins",
    "needed_line",
    "plugin_tree",
    "problem_of",
    "read_line",
    "revision_in",
    "schema_problem",
]

_HERE = Path(__file__).parent

_IS_THERE = text("SELECT to_regclass(quote_ident(:name))")

_UNSOUND = r"Revision .* (is present more than once|is not present)"
"""Of what Alembic only warns: it would leave a revision out, or stop with a bare KeyError."""


class SchemaError(ConfigurationError):
    """The database's schema is not the one this version works with."""

    code = "schema"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The revisions of one owner of tables, and where the database notes how far they are."""

    owner: str
    """A plugin's name, or `CORE`."""
    versions: Path
    metadata: MetaData
    version_table: str


CORE_TREE = Tree(
    owner=CORE,
    versions=_HERE / "versions",
    metadata=Base.metadata,
    version_table=VERSION_TABLE,
)


def plugin_tree(name: str, migrations: Migrations) -> Tree:
    """The tree of a plugin."""
    return Tree(
        owner=name,
        versions=migrations.versions,
        metadata=migrations.metadata,
        version_table=version_table_of(name),
    )


def known_plugins(connection: Connection, trees: Iterable[Tree]) -> dict[str, frozenset[str]]:
    """Those that have, or had, tables in the database, and these; each with what its models say."""
    left = dict.fromkeys(version_tables(connection), frozenset[str]())
    return left | {tree.owner: frozenset(tree.metadata.tables) for tree in trees}


def alembic_config(tree: Tree = CORE_TREE, *, owns: Callable[[str], bool] | None = None) -> Config:
    """Alembic's configuration, from inside the installed package: no alembic.ini is needed.

    Whoever runs something with it adds the connection, as its attribute `connection`. `owns` says
    which tables of the database are compared with the models; without it, all are.
    """
    # Alembic is for who changes a schema; whoever only compares revisions does without.
    from alembic.config import Config

    config = Config(cmd_opts=Namespace(quiet=True))  # what is said is said by the commands
    config.set_main_option("script_location", _verbatim(_HERE))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _verbatim(tree.versions))
    config.attributes.update(tree=tree, owns=owns)
    return config


def environment(config: Config) -> dict[str, Any]:
    """What Alembic's context is configured with: the one environment of all trees."""
    tree: Tree = config.attributes["tree"]
    owns: Callable[[str], bool] | None = config.attributes["owns"]

    def include_name(name: str | None, kind: str, _: object) -> bool:
        return kind != "table" or owns is None or owns(str(name))

    return {
        "connection": config.attributes["connection"],
        "target_metadata": tree.metadata,
        "version_table": tree.version_table,
        "compare_type": True,
        "include_name": include_name,
        "render_item": _rendered,
    }


def needed_line(tree: Tree) -> Line:
    """What `read_line` gives, without running the revisions where their text says enough.

    Raises:
        SchemaError: as `read_line`.
    """
    return declared_line(tree.versions) or read_line(tree)


def read_line(tree: Tree) -> Line:
    """Read all revisions of a tree.

    Raises:
        SchemaError: there are none, one cannot be read, or they are not one line.
    """
    from alembic.script import ScriptDirectory

    if not tree.versions.is_dir():
        raise _unusable(tree, f"the directory {tree.versions} is missing")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=_UNSOUND)
            script = ScriptDirectory.from_config(alembic_config(tree))
            known = frozenset(item.revision for item in script.walk_revisions())
            heads, bases = script.get_heads(), script.get_bases()
    except (KeyboardInterrupt, CancelledError):
        raise
    except BaseException as error:
        raise _unusable(tree, f"{type(error).__name__}: {error}") from error
    for ends, called in ((heads, "last"), (bases, "first")):
        if len(ends) > 1:
            raise _unusable(
                tree, f"several are the {called} one: {', '.join(sorted(ends))}; it takes one line"
            )
    if not heads:
        raise _unusable(tree, f"{tree.versions} has no revision")
    return Line(head=heads[0], known=known)


def current_revision(connection: Connection, tree: Tree) -> str | None:
    """The revision the database is at; None if the tree was never applied.

    Raises:
        SchemaError: the table that says so names several.
    """
    return revision_in(connection, tree.version_table)


def revision_in(connection: Connection, version_table: str) -> str | None:
    """The revision that a table of revisions names; None if it is empty or not there.

    Raises:
        SchemaError: it names several.
    """
    if connection.scalar(_IS_THERE, {"name": version_table}) is None:
        return None
    heads: Sequence[str] = connection.scalars(
        select(column("version_num")).select_from(table(version_table))
    ).all()
    if len(heads) > 1:
        raise SchemaError(
            f"The table {version_table} names several revisions: {', '.join(sorted(heads))}.",
            recovery_actions=["Correct it by hand: one row with the revision the tables are at."],
        )
    return str(heads[0]) if heads else None


def schema_problem(tree: Tree, line: Line, current: str | None) -> SchemaError | None:
    """What is wrong with a database at that revision; None if it is the one needed."""
    if current == line.head:
        return None
    if tree.owner == CORE:
        place, nowhere = "The database is", "The database has no schema yet"
    else:
        place = f"The tables of plugin {tree.owner!r} are"
        nowhere = f"{place} not there yet"
    if current is not None and current not in line.known:
        return SchemaError(
            f"{place} at revision {current}, which this version does not know: a newer one was "
            f"installed before. This version needs {line.head}.",
            recovery_actions=["Install the newer version again."],
        )
    state = nowhere if current is None else f"{place} at revision {current}"
    return SchemaError(
        f"{state}; this version needs {line.head}.",
        recovery_actions=["Run `ticketgen db upgrade` with the version that is to be used."],
    )


def problem_of(error: BaseException, *, remedy: str) -> Problem:
    """An error as a problem of a plugin, with what the error itself says to do, if it does."""
    trace = "".join(traceback.format_exception(error))
    if not isinstance(error, SchemaError):
        return Problem(phase="schema", message=first_line(error), remedy=remedy, traceback=trace)
    return Problem(
        phase="schema",
        message=error.message,
        remedy=" ".join(error.recovery_actions),
        traceback=trace if error.__cause__ else None,
    )


def first_line(error: BaseException) -> str:
    """Type and first line: what SQLAlchemy adds, statement and link, is in the traceback."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}".removesuffix(": ")


def _verbatim(path: Path) -> str:
    return str(path).replace("%", "%%")


def _unusable(tree: Tree, why: str) -> SchemaError:
    remedy = (
        "Reinstall ticketgen-core."
        if tree.owner == CORE
        else "Install a version of the plugin that ships its revisions, one line of them; "
        "see `ticketgen db revision --help` if it is yours."
    )
    return SchemaError(
        f"The revisions of {tree.owner} cannot be used: {why}.", recovery_actions=[remedy]
    )


def _rendered(kind: str, value: object, _: AutogenContext) -> str | bool:
    """Write our own column types as what they are in the database.

    A revision outlives the class it was made from; False leaves all else to Alembic.
    """
    if kind == "type" and isinstance(value, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(value, Enum) and not value.native_enum:
        return f"sa.String({value.length})"
    return False
