from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import MetaData

from tests.core.plugin_migrations.sources import revision
from ticketgen.migrations import SchemaError
from ticketgen.migrations.trees import CORE_TREE, Tree, read_line


def _tree(directory: Path, **files: str) -> Tree:
    directory.mkdir()
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    return Tree(owner="acme", versions=directory, metadata=MetaData(), version_table="acme_schema")


def test_the_last_revision_of_one_line_is_the_one_needed(tmp_path: Path) -> None:
    odd = tmp_path / "with space, 100% : and more"
    tree = _tree(odd, a=revision("a"), b=revision("b", after="a"), __init__="")

    line = read_line(tree)

    assert line.head == "b"
    assert line.known == {"a", "b"}
    assert read_line(CORE_TREE).head


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "has no revision"),
        ({"a": revision("a"), "b": revision("b")}, "several are the last one: a, b"),
        ({"a": revision("a"), "b": revision("a")}, "present more than once"),
        ({"b": revision("b", after="a")}, "Revision a referenced from"),
        ({"a": revision("a", after="b"), "b": revision("b", after="a")}, "[Cc]ycle"),
        ({"a": "import nothing_like_this"}, "nothing_like_this"),
        ({"a": "revision = ("}, "a.py"),
        ({"a": "import sys; sys.exit(3)"}, "SystemExit"),
        ({"a": "x = 1"}, "a.py"),
    ],
    ids=["none", "fork", "twice", "gap", "circle", "import", "syntax", "exit", "no id"],
)
def test_revisions_that_are_not_one_line_are_refused_with_the_reason(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    tree = _tree(tmp_path / "versions", **files)

    with pytest.raises(SchemaError, match=said) as raised:
        read_line(tree)

    assert "acme" in raised.value.message
    assert raised.value.recovery_actions


def test_a_missing_directory_of_revisions_is_named(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "versions")
    tree.versions.rmdir()

    with pytest.raises(SchemaError, match="versions is missing"):
        read_line(tree)
