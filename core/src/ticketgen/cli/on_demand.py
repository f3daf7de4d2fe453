"""The commands of a group, each imported when it is asked for: nobody waits for the others."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.main import get_group

from ticketgen.lazy import Lazy

__all__ = ["CommandsOnDemand"]

Given = typer.Typer | Callable[..., Any]


class CommandsOnDemand(UserDict[str, Any]):
    """Commands by name; a value is built, of a function or of an app, when it is first looked at.

    It stands in the place of the dictionary of a `typer.core.TyperGroup`.
    """

    def __init__(self, commands: Mapping[str, Lazy[Given]]) -> None:
        super().__init__()
        self.data.update(commands)

    def __getitem__(self, name: str) -> Any:
        """The command itself; raises what its module raises, or `KeyError`."""
        command = super().__getitem__(name)
        if isinstance(command, Lazy):
            command = self.data[name] = _built(name, command.load())
        return command


def _built(name: str, given: Given) -> Any:
    """The command as typer builds it for an app that has it under that name."""
    app = typer.Typer(add_completion=False)
    if isinstance(given, typer.Typer):
        app.add_typer(given, name=name)
    else:
        app.command(name)(given)
    return get_group(app).commands[name]
