"""No file of the project holds a secret, or a path that is true on one machine only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rules.tree import ROOT, project_files

# Put together from parts, so that this file does not find itself.
PATHS = re.compile(
    "|".join(["/" + "work/", r"(?<!\w)" + "shared" + "/", "/ho" + r"me/\w+/", "/ro" + "ot/"])
)
SECRETS = re.compile(
    "|".join(
        [
            r"tg_[A-Za-z0-9_-]{32,}",
            r"sk-[A-Za-z0-9_-]{20,}",
            r"gh[pousr]_[A-Za-z0-9]{30,}",
            r"AKIA[0-9A-Z]{16}",
            r"ATATT3[A-Za-z0-9_=-]{20,}",
            r"xox[abpr]-[A-Za-z0-9-]{10,}",
            r"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}",
            "-----BEGIN [A-Z ]*PRIVATE " + "KEY-----",
        ]
    )
)


def _matches(pattern: re.Pattern[str]) -> list[str]:
    found: list[str] = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    return found


def test_the_files_of_the_project_are_looked_at() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in project_files()}

    assert {"pyproject.toml", "core/src/ticketgen/__init__.py"} <= names


def test_no_file_names_a_folder_of_one_machine() -> None:
    assert _matches(PATHS) == []


def test_no_file_holds_what_looks_like_a_secret() -> None:
    assert _matches(SECRETS) == []


@pytest.mark.parametrize(
    "text", ["see /" + "work/main", "from ../sha" + "red/data", "AKIA" + "A" * 16, "tg_" + "x" * 40]
)
def test_the_patterns_find_what_they_are_for(text: str) -> None:
    assert PATHS.search(text) or SECRETS.search(text)


def test_no_file_is_a_key_or_an_environment() -> None:
    names = [path for path in project_files() if _is_private(path)]

    assert names == []


def _is_private(path: Path) -> bool:
    return path.name == ".env" or path.suffix in {".pem", ".key", ".p12"}
