"""The port through which a plugin adds commands to `ticketgen`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ticketgen.lazy import Lazy

if TYPE_CHECKING:
    import typer

__all__ = ["Commands"]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The plugin's own command group, `ticketgen {plugin} …`; one for each plugin.

    A command that needs the system's database uses `ticketgen.commands.on_host`.
    """

    app: typer.Typer | Lazy[typer.Typer]
    """Given by `Lazy`, it is imported by `ticketgen {plugin}` alone."""
