"""`ticketgen plugins`: what is installed, what it adds, and why something is not in use."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.api.routes.plugins import PluginView, describe
from ticketgen.cli.plugins_check import check
from ticketgen.cli.plugins_doctor import doctor
from ticketgen.cli.plugins_new import new
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.console import fail, out
from ticketgen.discovery import PluginStatus
from ticketgen.errors import TicketgenError
from ticketgen.registry import survey_registry
from ticketgen.settings import load_settings

__all__ = ["app"]

app = typer.Typer(help="The installed plugins.", invoke_without_command=True)
app.command("doctor")(doctor)
app.command("check")(check)
app.command("new")(new)

_COLOURS = {
    PluginStatus.ACTIVE: "green",
    PluginStatus.DISABLED: "yellow",
    PluginStatus.INCOMPATIBLE: "red",
    PluginStatus.FAILED: "red",
}


@app.callback()
def list_plugins(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    safe: Safe = False,
) -> None:
    """List every installed plugin; ends with 1 if one is broken."""
    if context.invoked_subcommand is not None:
        _refuse_options(context.invoked_subcommand, as_json=as_json, safe=safe)
        return
    try:
        settings = load_settings(**safe_overrides(safe))
        # A listing must show a broken required plugin, not stop at it.
        found = [describe(plugin) for plugin in survey_registry(settings).plugins]
    except TicketgenError as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps([view.model_dump(mode="json") for view in found], indent=2))
    else:
        _print(found)
        for name in sorted(set(settings.required_plugins) - {view.name for view in found}):
            out.print(f"[bold]{name}[/bold]  [yellow]not installed[/yellow]", highlight=False)
    if any(view.status.is_broken for view in found):
        raise typer.Exit(1)


def _refuse_options(command: str, *, as_json: bool, safe: bool) -> None:
    """Before a command they would be of no effect, and nobody would notice."""
    given = [name for name, is_given in (("--json", as_json), ("--safe", safe)) if is_given]
    if given:
        raise typer.BadParameter(
            f"{' and '.join(given)} before {command!r} would have no effect; write it after that."
        )


def _print(found: list[PluginView]) -> None:
    for view in found:
        colour = _COLOURS[view.status]
        out.print(
            f"[bold]{view.name}[/bold]  {view.distribution} {view.version}  "
            f"[{colour}]{view.status}[/{colour}]  {escape(view.summary)}",
            soft_wrap=True,
            highlight=False,
        )
        for line in _adds(view):
            out.print(f"  {escape(line)}", soft_wrap=True, highlight=False)
    if not found:
        out.print("No plugin is installed.")


def _adds(view: PluginView) -> list[str]:
    if view.problems:
        return [f"{item.phase}: {item.message} → {item.remedy}" for item in view.problems]
    kinds: dict[str, list[str]] = {}
    for value in view.provides:
        kind, _, name = value.partition(" ")
        kinds.setdefault(kind, []).append(name)
    return [
        *(f"task {name}" for name in view.tasks),
        *(f"schedule {item}" for item in view.schedules),
        *(f"route {item}" for item in view.routes),
        *(f"channel {item}" for item in view.channels),
        *(
            f"{kind}: {', '.join(names)}" if any(names) else f"{kind}: ticketgen {view.name} …"
            for kind, names in kinds.items()
        ),
    ]
