from __future__ import annotations

from pathlib import Path

import pytest

from ticketgen.errors import ConflictError
from ticketgen.scaffold import write_files

FILES = {"README.md": "# acme\n", "src/acme/__init__.py": '"""é"""\n'}


def test_the_files_are_written_where_nothing_was(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "acme"

    write_files(target, FILES)

    written = {
        path.relative_to(target).as_posix(): path.read_bytes().decode()
        for path in target.rglob("*.*")
        if path.is_file()
    }
    assert written == FILES


def test_a_repository_without_a_file_is_empty_enough(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    write_files(tmp_path, FILES)

    assert (tmp_path / "README.md").read_text() == "# acme\n"


def test_a_directory_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")

    with pytest.raises(ConflictError) as refused:
        write_files(tmp_path, FILES)

    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"
    assert "README.md" in refused.value.message


def test_a_file_in_the_way_is_left_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "acme"
    target.write_text("mine")

    with pytest.raises(ConflictError):
        write_files(target, FILES)

    assert target.read_text() == "mine"
