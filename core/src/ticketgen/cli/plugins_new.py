"""`ticketgen plugins new`: writes a plugin to begin with, complete and tested."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ticketgen.console import fail
from ticketgen.discovery import installed_entry_points
from ticketgen.errors import TicketgenError
from ticketgen.scaffold import plugin_names, scaffold, write_files

__all__ = ["new"]


def new(
    name: Annotated[str, typer.Argument(help="What the plugin is called: acme-labels.")],
    directory: Annotated[
        Path | None,
        typer.Option(
            "--directory",
            "-d",
            help="Where to write it; a directory that is empty or not there yet. "
            "Unless given: ticketgen-NAME, here.",
            show_default=False,
        ),
    ] = None,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="One task only: no table, schedule or routes.")
    ] = False,
) -> None:
    """Write a new plugin: a distribution that passes its own tests, ruff and mypy as it is."""
    try:
        names = plugin_names(name, taken={entry.name for entry in installed_entry_points()})
        target = directory or Path(names.distribution)
        files = scaffold(names, minimal=minimal)
        write_files(target, files)
    except TicketgenError as error:
        fail(error)
    except OSError as error:
        fail(_unwritable(error))
    for path in files:
        typer.echo(str(target / path))
    typer.echo(f"\nThe plugin {names.name} is written. Next:\n")
    if target.resolve() != Path.cwd():
        typer.echo(f"  cd {shlex.quote(str(target))}")
    typer.echo("  pip install -e '.[test]'")
    typer.echo("  pytest")
    typer.echo(f"  ticketgen plugins check {names.name}")


def _unwritable(error: OSError) -> TicketgenError:
    return TicketgenError(
        f"{error.filename}: {error.strerror}.",
        recovery_actions=["Name another directory with --directory."],
    )
