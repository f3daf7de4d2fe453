"""Reads a line of revisions from the text of its files, where these only declare.

A process that starts has to know which revision its tables need, and that takes no more. Importing
Alembic, and then every revision, would be a tenth of the start of a worker.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from ticketgen.migrations.line import Line

__all__ = ["declared_line"]

_REVISION_FILE = re.compile(r"(?!\.#|__init__).*\.py")
"""What Alembic takes for one."""

_PLACE = ("revision", "down_revision", "branch_labels", "depends_on")

_HARMLESS = frozenset({"alembic", "sqlalchemy"}) | sys.stdlib_module_names
"""What a revision may import and be known to be importable."""


def declared_line(versions: Path) -> Line | None:
    """The revisions in a directory, from first to last; None where they have to be run to know.

    It is only told where every file declares its names plainly, and all are one line; of whatever
    else there may be, Alembic says what is wrong with it.
    """
    try:
        files = [path for path in sorted(versions.iterdir()) if _REVISION_FILE.fullmatch(path.name)]
        declared = [_declared(path.read_bytes()) for path in files]
    except (OSError, SyntaxError, ValueError):
        return None
    after: dict[object, str] = {}
    for names in declared:
        if names is None or not _is_plain(names):
            return None
        after[names.get("down_revision")] = str(names["revision"])
    known: list[str] = []
    while (revision := after.get(known[-1] if known else None)) is not None:
        if revision in known:
            return None
        known.append(revision)
    if not known or len(known) < len(declared):
        return None
    return Line(head=known[-1], known=frozenset(known))


def _is_plain(names: dict[str, object]) -> bool:
    down = names.get("down_revision")
    return (
        isinstance(names.get("revision"), str)
        and (down is None or isinstance(down, str))
        and not names.get("branch_labels")
        and not names.get("depends_on")
    )


def _declared(source: bytes) -> dict[str, object] | None:
    """What a module declares of its place, if it declares only; None of any other.

    Raises:
        ValueError: its place is computed.
    """
    names: dict[str, object] = {}
    for statement in ast.parse(source).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                # What upgrade and downgrade work with may well be computed.
                names |= {name: ast.literal_eval(value)} if name in _PLACE else {}
            case _ if not _only_declares(statement):
                return None
    return names


def _only_declares(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Import(names=aliases):
            return all(_is_harmless(alias.name) for alias in aliases)
        case ast.ImportFrom(module=module, level=0):
            return _is_harmless(module or "")
        case ast.FunctionDef(decorator_list=[]):
            return True
        case _:
            return False


def _is_harmless(module: str) -> bool:
    return module.partition(".")[0] in _HARMLESS
