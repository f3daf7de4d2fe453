"""`ticketgen tickets`, its changes: words, people, order, dependencies, and back again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ticketgen.cli.choosing import SessionWord, TicketWord, find_session, find_ticket, ticket_ids
from ticketgen.cli.client import ApiProblemError, Client
from ticketgen.cli.session_runs import Wait, say_ending
from ticketgen.cli.session_steps import run_task
from ticketgen.cli.showing import AsJson, ask, counted, hint, print_json, say_aside
from ticketgen.cli.ticket_filters import (
    Containing,
    CsvType,
    Edited,
    Group,
    Oversize,
    WithNotes,
    filter_of,
)
from ticketgen.errors import InvalidInputError

__all__ = ["app"]

app = typer.Typer()

_LONGEST_SHOWN = 300


class KeptOrDropped(StrEnum):
    """What becomes of a person's words when a ticket is written anew."""

    KEEP = "keep"
    DROP = "drop"


AssignTo = Annotated[str | None, typer.Option("--assignee", help="Whose it is; empty: nobody's.")]
IntoSprint = Annotated[str | None, typer.Option("--sprint", help="Its sprint; empty: none.")]
Revision = Annotated[
    int | None,
    typer.Option(help="The revision you have read; default: the present one."),
]


@app.command()
def edit(
    session: SessionWord,
    ticket: TicketWord,
    title: Annotated[str | None, typer.Option(help="Its new title.")] = None,
    description_file: Annotated[
        Path | None,
        typer.Option(
            allow_dash=True, help="File with the new text, as Markdown; -: standard input."
        ),
    ] = None,
    assignee: AssignTo = None,
    sprint: IntoSprint = None,
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Edit a ticket; refused if somebody changed it after the revision you have read."""
    values = {**filter_of(title=title), **_names(assignee, sprint)}

    async def work(client: Client) -> Any:
        if description_file is not None:
            values["description"] = _text_of(description_file)
        path = await _path(client, session, ticket)
        return await client.call(
            "PATCH", path, json={**values, "revision": await _revision(client, path, revision)}
        )

    if not values and description_file is None:
        raise typer.BadParameter("Name at least one thing that is to change.")
    _say_changed(ask(lambda client: _with_versions(work, client)), as_json)


@app.command()
def assign(
    session: SessionWord,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="TICKET…", help="Numbers, keys or ids; none: those of the filters."),
    ] = None,
    assignee: AssignTo = None,
    sprint: IntoSprint = None,
    everything: Annotated[bool, typer.Option("--all", help="Every ticket.")] = False,
    group: Group = None,
    csv_type: CsvType = None,
    of_assignee: Annotated[str | None, typer.Option(help="Now theirs; empty: nobody's.")] = None,
    of_sprint: Annotated[str | None, typer.Option(help="Now in it; empty: in none.")] = None,
    edited: Edited = None,
    oversize: Oversize = None,
    with_notes: WithNotes = None,
    containing: Containing = "",
    as_json: AsJson = False,
) -> None:
    """Give many tickets to somebody, or into a sprint, at once: named ones, or those of filters."""
    chosen = filter_of(
        group=group,
        csv_type=csv_type,
        assignee=of_assignee,
        sprint=of_sprint,
        edited=edited,
        oversize=oversize,
        with_notes=with_notes,
        q=containing or None,
    )
    values = _names(assignee, sprint)
    if not values:
        raise typer.BadParameter("Give --assignee, --sprint, or both.")
    if sum(map(bool, (words, chosen, everything))) != 1:
        raise typer.BadParameter("Name tickets, or give filters, or give --all.")

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        which = (
            {"ticket_ids": await ticket_ids(client, session_id, words)}
            if words
            else {"filter": chosen}
        )
        path = f"/api/sessions/{session_id}/tickets/assign"
        return await client.call("POST", path, json={**which, **values})

    done = ask(work)
    if as_json:
        print_json(done)
    else:
        hint(f"{counted(done['matched'], 'ticket')} meant, {done['changed']} changed.")


@app.command()
def move(
    session: SessionWord,
    ticket: TicketWord,
    before: Annotated[str | None, typer.Option(help="Right before this ticket.")] = None,
    after: Annotated[str | None, typer.Option(help="Right after this ticket.")] = None,
    as_json: AsJson = False,
) -> None:
    """Move a ticket in the order of work; never before one it needs."""
    anchor = before or after
    if anchor is None or (before and after):
        raise typer.BadParameter("Give either --before or --after.")

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        moved, other = await ticket_ids(client, session_id, [ticket, anchor])
        path = f"/api/sessions/{session_id}/tickets/{moved}/move"
        return await client.call("POST", path, json={"before" if before else "after": other})

    done = ask(work)
    if as_json:
        print_json(done)
    else:
        hint(f"{done['title']} is number {done['position']} now.")


@app.command()
def depend(
    session: SessionWord,
    ticket: TicketWord,
    needed: Annotated[str, typer.Argument(metavar="NEEDED", help="The ticket it needs.")],
    revision: Revision = None,
    as_json: AsJson = False,
) -> None:
    """Let a ticket need another one; a circle is refused, with the way around it."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        it, other = await ticket_ids(client, session_id, [ticket, needed])
        path = f"/api/sessions/{session_id}/tickets/{it}/dependencies"
        return await client.call("POST", path, json={"depends_on": other, "revision": revision})

    done = ask(lambda client: _with_versions(work, client))
    if as_json:
        print_json(done)
        return
    hint(
        f"{done['ticket']['title']} {'needs it now' if done['added'] else 'needed it already'}, "
        f"at revision {done['ticket']['revision']}."
    )
    for other in done["moved"]:
        hint(f"Moved: {other['title']}, from {other['before']} to {other['after']}.")


@app.command()
def undepend(
    session: SessionWord,
    ticket: TicketWord,
    needed: Annotated[str, typer.Argument(metavar="NEEDED", help="The ticket it needs.")],
    as_json: AsJson = False,
) -> None:
    """Let a ticket not need another one any more; no generation brings that back."""

    async def work(client: Client) -> Any:
        session_id = await find_session(client, session)
        it, other = await ticket_ids(client, session_id, [ticket, needed])
        path = f"/api/sessions/{session_id}/tickets/{it}/dependencies/{other}"
        return await client.call("DELETE", path)

    _say_changed(ask(work), as_json)


@app.command()
def revert(
    session: SessionWord, ticket: TicketWord, revision: Revision = None, as_json: AsJson = False
) -> None:
    """Take the edits of title and text back: they are as generated again."""

    async def work(client: Client) -> Any:
        path = await _path(client, session, ticket)
        based_on = await _revision(client, path, revision)
        return await client.call("POST", f"{path}/revert", json={"revision": based_on})

    _say_changed(ask(lambda client: _with_versions(work, client)), as_json)


@app.command()
def regenerate(
    session: SessionWord,
    ticket: TicketWord,
    edits: Annotated[
        KeptOrDropped, typer.Option(help="Whether the words of a person stay.")
    ] = KeptOrDropped.KEEP,
    revision: Revision = None,
    wait: Wait = True,
    as_json: AsJson = False,
) -> None:
    """Have one ticket written anew from the sheets as they are."""

    async def work(client: Client) -> dict[str, Any]:
        session_id = await find_session(client, session)
        ticket_id = await find_ticket(client, session_id, ticket)
        path = f"/api/sessions/{session_id}/tickets/{ticket_id}"
        request = {
            "ticket_id": ticket_id,
            "revision": await _revision(client, path, revision),
            "edits": str(edits),
        }
        return await run_task(client, "processing.regenerate", session_id, request, wait=wait)

    say_ending(ask(work), as_json)


async def _path(client: Client, session: str, ticket: str) -> str:
    session_id = await find_session(client, session)
    ticket_id = await find_ticket(client, session_id, ticket)
    return f"/api/sessions/{session_id}/tickets/{ticket_id}"


async def _revision(client: Client, path: str, given: int | None) -> int:
    return given if given is not None else int((await client.call("GET", path))["revision"])


async def _with_versions(work: Any, client: Client) -> Any:
    """What `work` gives; if somebody was faster, both versions are shown with the refusal."""
    try:
        return await work(client)
    except ApiProblemError as problem:
        current = problem.current or {}
        for field in current.get("differing", []):
            for version in ("now", "wanted"):
                said = _shortly((current.get(version) or {}).get(field))
                say_aside(f"{field} {version}: {said}")
        for change in current.get("changes", []):
            who = change.get("actor") or "the system"
            say_aside(f"changed by {who}: {change.get('action')}, {str(change.get('at'))[:16]}")
        raise


def _shortly(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]} …"


def _names(assignee: str | None, sprint: str | None) -> dict[str, Any]:
    """What was given; an empty name takes away what is there."""
    given = filter_of(assignee=assignee, sprint=sprint)
    return {field: name or None for field, name in given.items()}


def _text_of(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode()
        return file.read_bytes().decode()
    except OSError as error:
        raise InvalidInputError(
            f"{file} cannot be read: {error.strerror}.",
            recovery_actions=["Name a file that is there, or - for standard input."],
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{file} is not UTF-8.", recovery_actions=["Save it as UTF-8."]
        ) from error


def _say_changed(ticket: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(ticket)
    else:
        hint(f"{ticket['title']} is at revision {ticket['revision']} now.")
