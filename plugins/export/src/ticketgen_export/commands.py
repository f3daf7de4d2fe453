"""`ticketgen export …`: where tickets can be sent to, connections, and a Jira to try it with."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.commands import contributions, out
from ticketgen.provides import ExportTarget
from ticketgen_export.connections.commands import add_commands
from ticketgen_export.stub_command import jira_stub

__all__ = ["app"]

app = typer.Typer(help="Where tickets can be sent to, and your connections to Jira.")
app.command("jira-stub")(jira_stub)
add_commands(app)


@app.command()
def targets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the targets, each with the plugin that brings it; an export chooses one by its name."""
    owned = contributions().owned(ExportTarget)
    if as_json:
        shown = [
            {"plugin": plugin, "name": target.name, "summary": target.summary}
            for plugin, target in owned
        ]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for plugin, target in owned:
        line = f"{target.name}  {target.summary}  ({plugin})"
        out.print(escape(line), soft_wrap=True, highlight=False)
