"""What a distribution's files import of the host and of other plugins."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Collection, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from ticketgen.checkup.flaws import Flaw, advice, fault
from ticketgen.surface import PUBLIC_MODULES, is_public

__all__ = ["import_flaws", "source_files"]

_HOST = "ticketgen"
_KIT = "ticketgen.testing"
_TESTS = frozenset({"test", "tests", "testing", "conftest.py"})


def source_files(package: str) -> tuple[Path, ...]:
    """The Python files of a top-level package or module, which is not imported for it."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is None:
        return (Path(spec.origin),) if spec.origin else ()
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    return tuple(path for folder in folders for path in sorted(folder.rglob("*.py")))


def import_flaws(package: str, others: Collection[str]) -> list[Flaw]:
    """Imports of what may change without notice, and of the packages of other plugins."""
    return [flaw for path in source_files(package) for flaw in _in_file(path, package, others)]


def _in_file(path: Path, package: str, others: Collection[str]) -> Iterator[Flaw]:
    shown = _shown(path, package)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        yield fault(shown, f"the file cannot be read: {error}", "Correct it.")
        return
    is_test = bool(_TESTS & set(path.parts[-shown.count("/") - 1 :])) or path.name.startswith(
        "test_"
    )
    for module, name, line in _imported(tree):
        where = f"{shown}:{line}"
        top = module.partition(".")[0]
        if top in others:
            yield fault(
                where,
                f"it imports {module}, the package of another plugin",
                "Plugins come and go. Meet it through ticketgen.domain, a hook, a provided value, "
                "or start its task by name.",
            )
        elif top == _HOST:
            yield from _of_host(where, module, name, is_test=is_test)


def _of_host(where: str, module: str, name: str | None, *, is_test: bool) -> Iterator[Flaw]:
    if module == _KIT or module.startswith(f"{_KIT}."):
        if not is_test:
            yield advice(
                where,
                f"it imports {_KIT}, which needs what only tests install",
                "Import it in tests only.",
            )
        return
    if module == "ticketgen.domain" and name is not None:
        module, name = f"{module}.{name}", None
    if not is_public(module):
        yield fault(where, f"it imports {module}, which may change without notice", _instead())
    elif name is not None and name not in _public_names(module):
        yield fault(where, f"{module} offers no {name} to plugins", _instead())


def _instead() -> str:
    return f"Import from {', '.join(PUBLIC_MODULES)} only; ask for what is missing there."


def _public_names(module: str) -> Collection[str]:
    names: Collection[str] = importlib.import_module(module).__all__
    return {*names, "*"}


def _imported(tree: ast.Module) -> Iterable[tuple[str, str | None, int]]:
    """Module, the name taken from it if any, and the line, of every absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.module, alias.name, node.lineno) for alias in node.names)


def _shown(path: Path, package: str) -> str:
    """The path from the top-level package on, as an author knows it."""
    parts = path.parts
    return "/".join(parts[parts.index(package) :]) if package in parts else path.name
