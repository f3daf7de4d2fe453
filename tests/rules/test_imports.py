"""Everything flows one way: the import contracts of pyproject.toml hold, and leave no gap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rules.tree import (
    PLUGINS,
    PUBLIC_MODULES,
    ROOT,
    module_name,
    parsed,
    pyproject,
    source_files,
)
from ticketgen.surface import HOST_NOUNS, is_public

CONTRACTS: list[dict[str, Any]] = pyproject()["tool"]["importlinter"]["contracts"]
_LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
CORE = [path for path in source_files() if module_name(path).startswith("ticketgen.")]
OF_PLUGINS = [path for path in source_files() if module_name(path).startswith("ticketgen_")]
OF_STRANGERS = sorted((ROOT / "tests/samples").rglob("*.py"))


def _contract(name: str) -> dict[str, Any]:
    return next(contract for contract in CONTRACTS if contract["id"] == name)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_import_contract_is_kept() -> None:
    checked = subprocess.run(
        [sys.executable, "-c", _LINT, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in checked.stdout


def test_every_module_of_core_is_public_or_forbidden_to_plugins() -> None:
    forbidden = set(_contract("public-surface")["forbidden_modules"])
    packages = {"ticketgen", "ticketgen.api"}

    modules = {module_name(path) for path in source_files()} - packages
    first = {
        name
        for name in modules
        if name.startswith("ticketgen.") and name.rpartition(".")[0] in packages
    }

    nouns = {name for name in forbidden if name.startswith("ticketgen.domain.")}
    assert nouns == set(HOST_NOUNS)
    assert first - forbidden - set(PUBLIC_MODULES) == set()
    assert forbidden - nouns - first == set(), "listed, but there is no such module any more"
    assert forbidden & set(PUBLIC_MODULES) == {"ticketgen.testing"}


def test_the_platform_nouns_and_the_product_nouns_are_all_nouns() -> None:
    contract = _contract("platform-below-product")
    nouns = {
        f"ticketgen.domain.{path.stem}"
        for path in (ROOT / "core/src/ticketgen/domain").glob("*.py")
        if path.stem != "__init__"
    }

    assert set(contract["source_modules"]) | set(contract["forbidden_modules"]) == nouns


@pytest.mark.parametrize("path", CORE, ids=module_name)
def test_a_module_of_core_never_imports_the_surface_for_plugins(path: Path) -> None:
    imported = _imports(path)

    assert "ticketgen" not in imported


@pytest.mark.parametrize("path", OF_PLUGINS, ids=module_name)
def test_a_plugin_imports_public_packages_and_not_what_is_inside_them(path: Path) -> None:
    ours = {name for name in _imports(path) if name.partition(".")[0] == "ticketgen"}

    assert [name for name in sorted(ours) if not is_public(name)] == []


@pytest.mark.parametrize("path", OF_STRANGERS, ids=lambda path: path.stem)
def test_a_strangers_plugin_sees_the_public_surface_only(path: Path) -> None:
    imported = _imports(path)

    ours = {name for name in imported if name.partition(".")[0] == "ticketgen"}
    plugins = {f"ticketgen_{name}" for name in PLUGINS}
    forbidden = _contract("public-surface")["forbidden_modules"]
    surface = {name for name in ours if not name.startswith("ticketgen.domain.")}
    assert surface <= set(PUBLIC_MODULES)
    assert ours.isdisjoint(forbidden)
    assert plugins.isdisjoint(name.partition(".")[0] for name in imported)
