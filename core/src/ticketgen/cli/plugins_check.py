"""`ticketgen plugins check`: what an author can still mend about a plugin."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from ticketgen.checkup import Flaw, Weight, check_distribution, check_import_time, distribution_of
from ticketgen.checkup.distributions import entries_of
from ticketgen.console import fail, out
from ticketgen.errors import TicketgenError

__all__ = ["check"]

_COLOURS = {Weight.ERROR: "red", Weight.ADVICE: "yellow"}


def check(
    name: Annotated[str, typer.Argument(help="A distribution, or the name of its plugin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check an installed plugin as its author should before a release; ends with 1 at an error."""
    try:
        distribution = distribution_of(name)
        flaws = check_distribution(distribution)
        for entry in entries_of(distribution):
            flaws += check_import_time(entry)
    except TicketgenError as error:
        fail(error)
    if as_json:
        typer.echo(json.dumps([asdict(flaw) for flaw in flaws], indent=2))
    else:
        _print(distribution, flaws)
    if any(flaw.weight is Weight.ERROR for flaw in flaws):
        raise typer.Exit(1)


def _print(distribution: str, flaws: list[Flaw]) -> None:
    for flaw in flaws:
        out.print(
            f"[{_COLOURS[flaw.weight]}]{flaw.weight}[/]  [bold]{escape(flaw.where)}[/bold]  "
            f"{escape(flaw.message)}",
            soft_wrap=True,
            highlight=False,
        )
        out.print(f"  → {escape(flaw.remedy)}", soft_wrap=True, highlight=False)
    errors = sum(flaw.weight is Weight.ERROR for flaw in flaws)
    verdict = f"{errors} errors, {len(flaws) - errors} pieces of advice" if flaws else "conforms"
    out.print(f"{distribution}: {verdict}", highlight=False)
