"""`ticketgen tickets`: which there are, what one says, and how it came to say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer
from rich.markdown import Markdown

from ticketgen.cli import ticket_edits
from ticketgen.cli.choosing import SessionWord, TicketWord, find_session, find_ticket
from ticketgen.cli.client import Client
from ticketgen.cli.printable import printable
from ticketgen.cli.session_reports import say_history
from ticketgen.cli.showing import AsJson, ask, columns, counted, facts, hint, print_json, say
from ticketgen.cli.ticket_filters import (
    Assignee,
    Containing,
    CsvType,
    Edited,
    Group,
    Oversize,
    Sprint,
    WithNotes,
    filter_of,
)
from ticketgen.console import out

__all__ = ["app"]

_DIFF_STYLES = {"-": "red", "+": "green", "@": "cyan"}

app = typer.Typer(help="The tickets of a session, in review.", no_args_is_help=True)


@app.command("list")
def list_all(
    session: SessionWord,
    group: Group = None,
    csv_type: CsvType = None,
    assignee: Assignee = None,
    sprint: Sprint = None,
    edited: Edited = None,
    oversize: Oversize = None,
    with_notes: WithNotes = None,
    containing: Containing = "",
    as_json: AsJson = False,
) -> None:
    """List tickets in order of work: number, key, title, and what is special about them."""
    params = filter_of(
        group=group,
        csv_type=csv_type,
        assignee=assignee,
        sprint=sprint,
        edited=edited,
        oversize=oversize,
        with_notes=with_notes,
        q=containing or None,
    )

    async def work(client: Client) -> dict[str, Any]:
        session_id = await find_session(client, session)
        path = f"/api/sessions/{session_id}/tickets"
        first = await client.call("GET", path, params={**params, "limit": 1})
        return {**first, "tickets": await client.pages(path, params, within="tickets")}

    found = ask(work)
    if as_json:
        print_json(found)
        return
    columns(_row(ticket) for ticket in found["tickets"])
    groups = ", ".join(f"{name} {count}" for name, count in found["groups"].items() if count)
    hint(f"{counted(len(found['tickets']), 'ticket')}. {groups}")


@app.command()
def show(session: SessionWord, ticket: TicketWord, as_json: AsJson = False) -> None:
    """Show a ticket in full, its text as Markdown."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        ticket_id = await find_ticket(client, session_id, ticket)
        return await client.call("GET", f"/api/sessions/{session_id}/tickets/{ticket_id}")

    found = ask(work)
    if as_json:
        print_json(found)
        return
    say((f"# {found['title']}", "bold"))
    facts(
        {
            "number": found["position"],
            "key": found["key"],
            "id": found["id"],
            "group": found["entity_group"],
            "written by": found["writer"],
            "assignee": found["assignee"],
            "sprint": found["sprint"],
            "revision": found["revision"],
            "sources": "; ".join(_source(source) for source in found["sources"]),
            "needs": "; ".join(_link(link) for link in found["depends_on"]),
            "needed by": "; ".join(_link(link) for link in found["needed_by"]),
        }
    )
    for note in found["notes"]:
        say(("note  ", "yellow"), str(note))
    if found["hint"]:
        say(("long  ", "yellow"), found["hint"])
    say("")
    text = printable(found["description"])
    if out.is_terminal:
        out.print(Markdown(text, hyperlinks=False))
    else:
        typer.echo(text)


@app.command()
def diff(session: SessionWord, ticket: TicketWord, as_json: AsJson = False) -> None:
    """Show what differs from the generated text."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        ticket_id = await find_ticket(client, session_id, ticket)
        return await client.call("GET", f"/api/sessions/{session_id}/tickets/{ticket_id}/diff")

    found = ask(work)
    if as_json:
        print_json(found)
        return
    title, text = found["title"], found["description"]
    if title["differs"]:
        say(("-", "red"), title["generated"])
        say(("+", "green"), title["now"])
    for line in found["unified"]:
        say((line, _DIFF_STYLES.get(line[:1], "")))
    if text["left_out"]:
        hint(f"{counted(text['left_out'], 'line')} more are not shown.")
    if not title["differs"] and not found["unified"]:
        hint("It says what was generated.")


@app.command()
def history(session: SessionWord, ticket: TicketWord, as_json: AsJson = False) -> None:
    """List every change of a ticket, the newest first."""

    async def work(client: Client) -> list[Any]:
        session_id = await find_session(client, session)
        ticket_id = await find_ticket(client, session_id, ticket)
        return await client.pages(f"/api/sessions/{session_id}/tickets/{ticket_id}/history")

    say_history(ask(work), as_json)


def _row(ticket: Mapping[str, Any]) -> tuple[object, ...]:
    marks = [
        name
        for name, marked in (
            ("edited", ticket.get("is_edited")),
            ("long", ticket.get("oversize")),
            ("notes", ticket.get("notes_count")),
        )
        if marked
    ]
    who = " ".join(f"@{ticket['assignee']}" for _ in (1,) if ticket["assignee"])
    special = "  ".join(filter(None, [f"[{', '.join(marks)}]" if marks else "", who]))
    return f"{ticket['position']:>4}", ticket["key"], f"{ticket['title']}  {special}"


def _link(link: Mapping[str, Any]) -> str:
    by_hand = " (by hand)" if link["by_person"] else ""
    return f"{link['position']} {link['title']}{by_hand}"


def _source(source: Any) -> str:
    if not isinstance(source, dict):
        return str(source)
    rows = ", ".join(str(row) for row in source.get("rows") or ())
    return f"{source.get('file')}, rows {rows}" if rows else str(source.get("file"))


app.add_typer(ticket_edits.app)
