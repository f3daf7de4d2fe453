from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ticketgen.cli.main import app


def _new(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugins", "new", *arguments])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_plugin_is_written_here_and_what_comes_next_is_said(tmp_path: Path) -> None:
    made = _new("acme-labels")

    target = tmp_path / "ticketgen-acme-labels"
    printed = made.stdout.splitlines()
    written = sorted(path for path in target.rglob("*") if path.is_file())
    assert made.exit_code == 0
    assert {str(path.relative_to(tmp_path)) for path in written} <= set(printed)
    assert [line.strip() for line in printed[-4:]] == [
        "cd ticketgen-acme-labels",
        "pip install -e '.[test]'",
        "pytest",
        "ticketgen plugins check acme_labels",
    ]


def test_it_is_written_to_another_directory_if_told_so(tmp_path: Path) -> None:
    made = _new("acme-labels", "-d", "my plugins/labels")

    assert made.exit_code == 0
    assert (tmp_path / "my plugins/labels/pyproject.toml").exists()
    assert f"cd {shlex.quote('my plugins/labels')}" in made.stdout


def test_into_the_directory_one_is_in_it_is_written_without_going_there(tmp_path: Path) -> None:
    made = _new("acme-labels", "--directory", ".")

    assert made.exit_code == 0
    assert (tmp_path / "pyproject.toml").exists()
    assert "cd " not in made.stdout


def test_a_small_one_has_no_table_no_schedule_and_no_routes(tmp_path: Path) -> None:
    made = _new("acme-labels", "--minimal")

    package = tmp_path / "ticketgen-acme-labels/src/ticketgen_acme_labels"
    names = {path.name for path in package.iterdir()}
    assert made.exit_code == 0
    assert "tasks.py" in names
    assert names.isdisjoint({"tables.py", "migrations", "api.py", "settings.py"})


@pytest.mark.parametrize("name", ["sessions", "export", "Ä", "x" * 60])
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    refused = _new(name)

    assert refused.exit_code == 1
    assert "→" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_time_nothing_is_overwritten(tmp_path: Path) -> None:
    _new("acme-labels")
    readme = tmp_path / "ticketgen-acme-labels/README.md"
    readme.write_text("mine")

    refused = _new("acme-labels")

    assert refused.exit_code == 1
    assert "not empty" in refused.stderr
    assert readme.read_text() == "mine"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = _new("acme-labels", "-d", "file/below")

    assert refused.exit_code == 1
    assert "file/below" in refused.stderr
