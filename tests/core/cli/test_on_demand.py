"""A command is imported when it is asked for, and no other with it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from ticketgen.cli.main import app
from ticketgen.cli.on_demand import CommandsOnDemand
from ticketgen.lazy import Lazy


def test_of_the_hosts_commands_only_the_one_that_is_called_is_imported() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from ticketgen.cli.main import app; "
        "assert CliRunner().invoke(app, ['tokens', '--help']).exit_code == 0; "
        "print('\\n'.join(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    imported = set(done.stdout.split())
    assert "ticketgen.cli.tokens" in imported
    assert not imported & {
        "fastapi",
        "ticketgen.api",
        "ticketgen.embedded",
        "ticketgen.cli.demo",
        "ticketgen.cli.doctor",
        "ticketgen.cli.plugins",
    }


def test_every_command_can_be_imported_and_is_listed() -> None:
    group: Any = get_command(app)

    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})

    assert shown.exit_code == 0
    for name, command in group.commands.items():
        assert command.name == name
        assert command.help, name
        assert f" {name} " in shown.output


def test_functions_and_apps_are_built_once_and_unknown_names_are_unknown() -> None:
    commands = CommandsOnDemand(
        {
            "tokens": Lazy("ticketgen.cli.tokens:app"),
            "workers": Lazy("ticketgen.cli.workers:workers"),
        }
    )

    assert commands["tokens"] is commands["tokens"]
    assert set(commands["tokens"].commands) >= {"create", "list", "revoke"}
    assert commands["workers"].name == "workers"
    assert commands.get("nothing") is None
    with pytest.raises(KeyError):
        commands["nothing"]
    assert list(commands) == ["tokens", "workers"]


def test_what_a_group_says_of_itself_is_kept() -> None:
    inner = typer.Typer(help="Labels.")
    inner.command("label")(lambda: None)
    commands = CommandsOnDemand({"labels": _Given(inner)})

    assert commands["labels"].help == "Labels."


class _Given(Lazy[Any]):
    """A value at hand in the place of one that is named."""

    def __init__(self, value: object) -> None:
        super().__init__("nowhere:nothing")
        object.__setattr__(self, "value", value)

    def load(self) -> Any:
        return vars(self)["value"]
