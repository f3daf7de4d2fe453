"""What the text of revisions says is what Alembic says, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.plugin_migrations.sources import revision
from ticketgen.migrations import installed_trees
from ticketgen.migrations.declared import declared_line
from ticketgen.migrations.line import Line
from ticketgen.migrations.trees import CORE_TREE, read_line
from ticketgen.settings import Settings


def _versions(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return directory


def test_our_own_revisions_are_known_without_running_them() -> None:
    for tree in (CORE_TREE, *installed_trees(Settings()).trees):
        assert declared_line(tree.versions) == read_line(tree)


def test_files_in_any_order_are_one_line(tmp_path: Path) -> None:
    first = revision("1") + "\n_TABLES: tuple[str, ...] = tuple('ab')\n"
    files = {"a": revision("2", after="1"), "b": first, "c": revision("3", after="2")}
    versions = _versions(tmp_path, __init__="raise RuntimeError", **files)

    line = declared_line(versions)

    assert line == Line(head="3", known=frozenset({"1", "2", "3"}))


_FIRST = revision("a")


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"a": _FIRST, "b": revision("b")},
        {"a": _FIRST, "b": _FIRST},
        {"b": revision("b", after="a")},
        {"a": _FIRST, "b": revision("b", after="a"), "c": revision("c", after="a")},
        {"a": _FIRST, "b": revision("b", after="c"), "c": revision("c", after="b")},
        {"a": "revision = ("},
        {"a": "\0"},
        {"a": "x = 1"},
        {"a": _FIRST + "\nimport nothing_like_this\n"},
        {"a": _FIRST + "\nfrom . import beside\n"},
        {"a": _FIRST + "\nprint('run')\n"},
        {"a": _FIRST + "\nrevision = revision.upper()\n"},
        {"a": _FIRST + "\nbranch_labels = 'odd'\n"},
        {"a": _FIRST + "\nif True:\n    revision = 'z'\n"},
    ],
    ids=[
        *("none", "two firsts", "twice", "gap", "fork", "circle", "syntax", "nul", "no id"),
        *("foreign import", "import beside", "runs", "computed", "branch", "conditional"),
    ],
)
def test_whatever_is_not_plainly_one_line_is_left_to_alembic(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert declared_line(_versions(tmp_path, **files)) is None


def test_a_missing_directory_is_left_to_alembic(tmp_path: Path) -> None:
    assert declared_line(tmp_path / "nowhere") is None
