"""`ticketgen tally …`: the estimates on the command line."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from ticketgen import Host
from ticketgen.commands import on_host, out
from ticketgen.errors import NotFoundError
from ticketgen_tally import counts
from ticketgen_tally.counts import TicketCount

__all__ = ["app"]

app = typer.Typer(help="Estimates of tickets.")


@app.command("show")
def show(
    session_id: Annotated[UUID, typer.Argument(help="The session's id.")],
) -> None:
    """Show the estimates of a session's tickets, the longest first."""

    async def find(host: Host) -> list[TicketCount]:
        async with host.unit_of_work() as work:
            return await counts.list_counts(work.db, session_id)

    found = on_host("tally", find)
    if not found:
        raise NotFoundError(
            "The session has not been counted.",
            recovery_actions=["Start it with POST /api/tally/count/{session_id}."],
        )
    for count in found:
        out.print(f"{count.ticket_key}  {count.words} words, {count.points} points", markup=False)


@app.command("total")
def total() -> None:
    """Sum up all sessions."""

    async def add(host: Host) -> tuple[int, int, int]:
        async with host.unit_of_work() as work:
            return await counts.totals(work.db)

    tickets, words, points = on_host("tally", add)
    out.print(f"{tickets} tickets, {words} words, {points} points", highlight=False)
