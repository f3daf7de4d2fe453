"""`ticketgen processing …`: which sheets can be read here, and who writes the tickets."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.commands import contributions, out
from ticketgen.provides import Column, CsvType, Writer

__all__ = ["app"]

app = typer.Typer(help="The types of sheets that can be read, and the writers of tickets.")

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def types(as_json: _AsJson = False) -> None:
    """List the types of sheets, each with the plugin that brings it and its columns."""
    owned = contributions().owned(CsvType)
    if as_json:
        shown = [{"plugin": plugin, **asdict(csv_type)} for plugin, csv_type in owned]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for plugin, csv_type in owned:
        _say(f"{csv_type.name}  {csv_type.label}  ({plugin})")
        _say(f"  files: …{', …'.join(csv_type.file_stems or (csv_type.name,))}")
        _say(f"  columns: {', '.join(map(_column, csv_type.columns))}")
    _say("* a sheet without this column is reported with an error")


def _column(column: Column) -> str:
    others = f" ({', '.join(column.aliases)})" if column.aliases else ""
    return f"{column.name}{'*' if column.required else ''}{others}"


@app.command()
def writers(as_json: _AsJson = False) -> None:
    """List who can write the words of the tickets; a session chooses one by its name."""
    owned = contributions().owned(Writer)
    if as_json:
        shown = [
            {"plugin": plugin, "name": writer.name, "summary": writer.summary}
            for plugin, writer in owned
        ]
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for plugin, writer in owned:
        _say(f"{writer.name}  {writer.summary}  ({plugin})")


def _say(line: str) -> None:
    out.print(escape(line), soft_wrap=True, highlight=False)
