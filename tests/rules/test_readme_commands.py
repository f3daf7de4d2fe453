"""The README's two commands are the ones that CI and the package really have."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _commands() -> list[str]:
    return re.findall(r"^```sh\n(python3 -m venv [^\n]+)\n```$", README, flags=re.MULTILINE)


def test_the_readme_has_one_command_for_the_main_job_and_one_for_the_tests() -> None:
    demo, test = _commands()

    assert demo.endswith(".venv/bin/ticketgen demo")
    assert test.endswith(".venv/bin/python -m pytest -n 4")
    assert '".[test]"' in test


def test_the_extra_of_the_test_command_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert any(line.startswith("pytest") for line in project["optional-dependencies"]["test"])


def test_ci_takes_the_test_command_from_the_readme() -> None:
    marked = README.split("<!-- test command -->\n```sh\n", 1)[1].split("\n```", 1)[0]

    script = (ROOT / ".ci" / "run").read_text()

    assert marked == _commands()[1]
    assert "<!-- test command -->" in script
    assert "lint types contracts" in script


def test_every_command_the_readme_shows_exists() -> None:
    from typer.main import get_group

    from ticketgen.cli.main import app

    commands = set(get_group(app).commands)

    shown = set(re.findall(r"\bticketgen ([a-z][a-z-]+)", README)) - {"turns"}

    assert shown <= commands
