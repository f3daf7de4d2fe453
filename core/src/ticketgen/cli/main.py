"""`ticketgen`: the commands of users and operators."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from ticketgen.cli import (
    api,
    db,
    demo,
    doctor,
    effects,
    findings,
    plugins,
    runs,
    schedules,
    secrets,
    sessions,
    streams,
    tasks,
    tickets,
    tokens,
    up,
    upload,
    users,
    workers,
)
from ticketgen.cli.plugin_commands import PluginGroup
from ticketgen.console import fail
from ticketgen.errors import TicketgenError

__all__ = ["app", "main"]

app = typer.Typer(
    name="ticketgen",
    cls=PluginGroup,
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


app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("api")(api.api)
app.command("doctor")(doctor.doctor)
app.command("stream-pass")(streams.stream_pass)
app.add_typer(sessions.app, name="sessions")
app.add_typer(upload.app, name="upload")
app.add_typer(findings.app, name="findings")
app.add_typer(tickets.app, name="tickets")
app.add_typer(plugins.app, name="plugins")
app.add_typer(runs.app, name="runs")
app.add_typer(tasks.app, name="tasks")
app.command("workers")(workers.workers)
app.add_typer(effects.app, name="effects")
app.add_typer(schedules.app, name="schedules")
app.add_typer(db.app, name="db")
app.add_typer(users.app, name="users")
app.add_typer(tokens.app, name="tokens")
app.add_typer(secrets.app, name="secrets")


def main() -> None:
    """Run the command line; expected errors end it with a message, not a traceback."""
    try:
        app()
    except TicketgenError as error:
        try:
            fail(error)
        except typer.Exit as ending:
            raise SystemExit(ending.exit_code) from None
