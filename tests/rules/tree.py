"""Where the files of the project are, and which of its modules are public."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from ticketgen.surface import PUBLIC_MODULES as PUBLIC_MODULES

ROOT = Path(__file__).parents[2]

SOURCES = (ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src")))

PLUGINS = ("adf_validation", "cleanup", "export", "processing")


def project_files() -> list[Path]:
    """Every file that is, or would be, under version control; in a bare copy, every file."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / line for line in listed.stdout.splitlines()]
    else:
        folders = ("core", "plugins", "tests", "docs", "benchmarks")
        paths = [*ROOT.glob("*.*"), *(p for name in folders for p in (ROOT / name).rglob("*.*"))]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def source_files() -> list[Path]:
    """The Python files of the six distributions."""
    return [path for source in SOURCES for path in sorted(source.rglob("*.py"))]


def python_files() -> list[Path]:
    """The Python files of the project, tests and benchmarks included."""
    folders = (*SOURCES, ROOT / "tests", ROOT / "benchmarks")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    source = next(source for source in SOURCES if path.is_relative_to(source))
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a Python file, parsed once for all rules."""
    return ast.parse(path.read_text(encoding="utf-8"))


def pyproject(folder: Path = ROOT) -> dict[str, Any]:
    """The `pyproject.toml` of a distribution."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
