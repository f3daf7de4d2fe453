"""`ticketgen`: the commands of users and operators."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer

from ticketgen.cli.on_demand import CommandsOnDemand
from ticketgen.cli.plugin_commands import PluginGroup
from ticketgen.console import fail
from ticketgen.errors import TicketgenError
from ticketgen.lazy import Lazy

__all__ = ["app", "main"]

_COMMANDS = {
    "demo": "demo:demo",
    "up": "up:up",
    "api": "api:api",
    "doctor": "doctor:doctor",
    "stream-pass": "streams:stream_pass",
    "sessions": "sessions:app",
    "upload": "upload:app",
    "findings": "findings:app",
    "tickets": "tickets:app",
    "plugins": "plugins:app",
    "runs": "runs:app",
    "tasks": "tasks:app",
    "workers": "workers:workers",
    "effects": "effects:app",
    "schedules": "schedules:app",
    "db": "db:app",
    "users": "users:app",
    "tokens": "tokens:app",
    "secrets": "secrets:app",
}
"""Each of its own module of `ticketgen.cli`, in the order of `--help`: a function, or an app."""


class _Commands(PluginGroup):
    """The host's own commands, none of which is imported before it is asked for."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        own = {name: Lazy[Any](f"ticketgen.cli.{target}") for name, target in _COMMANDS.items()}
        self.commands: Any = CommandsOnDemand(own)


app = typer.Typer(
    name="ticketgen",
    cls=_Commands,
    help="Turns the specification sheets of a Drupal site into validated Jira tickets.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ticketgen {version('ticketgen-core')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """What stands before the command."""


def main() -> None:
    """Run the command line; expected errors end it with a message, not a traceback."""
    try:
        app()
    except TicketgenError as error:
        try:
            fail(error)
        except typer.Exit as ending:
            raise SystemExit(ending.exit_code) from None
