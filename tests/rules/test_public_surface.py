"""What the outside may import is listed, sorted, complete and documented."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.rules.tree import PUBLIC_MODULES, ROOT, module_name, parsed, python_files, source_files

NOUNS = tuple(
    f"ticketgen.domain.{path.stem}"
    for path in sorted((ROOT / "core/src/ticketgen/domain").glob("*.py"))
    if path.stem != "__init__"
)
IMPORTABLE = [
    path
    for path in source_files()
    if path.name not in {"__main__.py", "env.py"} and path.parent.name != "versions"
]
"""What does nothing but define when it is imported."""

PUBLIC = (*PUBLIC_MODULES, *NOUNS)


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _sorted(names: list[str]) -> list[str]:
    """Constants, then classes, then the rest, each by name: the order of the linter's rule."""

    def key(name: str) -> tuple[int, str]:
        if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and len(name) > 1:
            return 0, name
        return (1 if name[0].isupper() else 2), name

    return sorted(names, key=key)


def _defined(module: ModuleType) -> set[str]:
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def _undocumented(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        methods = [
            f"{name}.{attribute}"
            for attribute, method in vars(value).items()
            if inspect.isfunction(method)
            and not attribute.startswith("_")
            and not method.__name__.startswith("_")
            and method.__module__.startswith("ticketgen")
            and not method.__doc__
        ]
        return methods + ([] if vars(value).get("__doc__") else [name])
    if inspect.isfunction(value):
        return [] if value.__doc__ else [name]
    return []


def _first_line(path: Path) -> str:
    return (ast.get_docstring(parsed(path)) or "").partition("\n")[0]


def test_every_module_says_in_its_first_line_what_it_answers() -> None:
    lines = {_relative(path): _first_line(path) for path in source_files()}

    unsaid = [
        name
        for name, line in lines.items()
        if not line.endswith((".", "?")) or "This module" in line
    ]

    assert lines
    assert unsaid == []


def _futures(path: Path) -> list[str]:
    return [
        alias.name
        for node in parsed(path).body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]


def test_every_file_with_code_has_annotations_as_text() -> None:
    files = [path for path in python_files() if parsed(path).body]

    without = [_relative(path) for path in files if _futures(path) != ["annotations"]]

    assert len(files) > 100
    assert without == []


@pytest.mark.parametrize("path", IMPORTABLE, ids=_relative)
def test_a_list_of_public_names_is_sorted_and_true(path: Path) -> None:
    module = import_module(module_name(path))
    listed = list(getattr(module, "__all__", ()))

    missing = [name for name in listed if name != "WorkerSettings" and not hasattr(module, name)]

    assert missing == []
    assert listed == _sorted(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_lists_everything_it_defines(name: str) -> None:
    module = import_module(name)

    listed = set(module.__all__)

    assert _defined(module) - listed == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_is_documented(name: str) -> None:
    module = import_module(name)

    undocumented = [
        missing for item in module.__all__ for missing in _undocumented(item, getattr(module, item))
    ]

    assert module.__doc__
    assert undocumented == []


def test_the_tour_names_every_public_module() -> None:
    tour = import_module("ticketgen").__doc__ or ""

    assert [name for name in PUBLIC_MODULES if f"`{name}`" not in tour] == ["ticketgen"]


@pytest.mark.parametrize("folder", ["core", "plugins/*"])
def test_a_distribution_ships_its_types(folder: str) -> None:
    packages = [path.parent for path in ROOT.glob(f"{folder}/src/*/__init__.py")]

    assert packages
    assert [path for path in packages if not (path / "py.typed").exists()] == []
