"""Finds the session, file or ticket that a person means by an id, its beginning, or a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from ticketgen.cli.client import Client
from ticketgen.cli.printable import one_line
from ticketgen.errors import ConflictError, NotFoundError

__all__ = ["SessionWord", "TicketWord", "find_file", "find_session", "find_ticket", "ticket_ids"]

SessionWord = Annotated[
    str,
    typer.Argument(metavar="SESSION", help="A session's id, the beginning of it, or its name."),
]
TicketWord = Annotated[
    str,
    typer.Argument(
        metavar="TICKET", help="A ticket's number, key, id, or the beginning of its id."
    ),
]

_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{0,35}")
_LONGEST_NAME = 200
_SHOWN = 5


async def find_session(client: Client, word: str) -> str:
    """The id of the session that is meant.

    Raises:
        NotFoundError: there is none.
        ConflictError: it could be one of several.
    """
    whole = _whole_id(word)
    if whole is not None:
        return whole
    params = {"q": word} if len(word) <= _LONGEST_NAME else {}
    named = await client.pages("/api/sessions", params)
    found = {item["id"]: item for item in named if item["name"] == word.strip()}
    if _BEGINNING.fullmatch(word.lower()):
        everything = await client.pages("/api/sessions")
        found |= {item["id"]: item for item in everything if _begins(item, word)}
    return _only_one(
        found.values(),
        f"There is no session {one_line(word)!r}, or it is not yours.",
        "See `ticketgen sessions list`.",
        lambda item: f"{item['id']}  {item['name']}",
    )


async def find_file(client: Client, session_id: str, word: str) -> str:
    """The id of the session's file with that name, id, or beginning of an id; raises as above."""
    files = await client.call("GET", f"/api/sessions/{session_id}/uploads")
    found = [item for item in files if item["file_name"] == word or _begins(item, word)]
    return _only_one(
        found,
        f"The session has no file {one_line(word)!r}.",
        "See `ticketgen upload list`.",
        lambda item: f"{item['id']}  {item['file_name']}",
    )


async def find_ticket(client: Client, session_id: str, word: str) -> str:
    """The id of the ticket that is meant; raises as above."""
    return _whole_id(word) or (await ticket_ids(client, session_id, [word]))[0]


async def ticket_ids(client: Client, session_id: str, words: Iterable[str]) -> list[str]:
    """The ids of the tickets that are meant, in that order; raises as above."""
    tickets = await client.pages(f"/api/sessions/{session_id}/tickets", within="tickets")
    return [
        _only_one(
            [item for item in tickets if _is_meant(item, word)],
            f"The session has no ticket {one_line(word)!r}.",
            "See `ticketgen tickets list`.",
            lambda item: f"{item['id']}  {item['title']}",
        )
        for word in words
    ]


def _is_meant(ticket: Mapping[str, Any], word: str) -> bool:
    # Ids begin with a zero and positions do not, so that no number can be both.
    if re.fullmatch(r"[1-9][0-9]*", word):
        return bool(ticket["position"] == int(word))
    return bool(ticket["key"] == word) or _begins(ticket, word)


def _begins(item: Mapping[str, Any], word: str) -> bool:
    return bool(word) and str(item["id"]).startswith(word.lower())


def _whole_id(word: str) -> str | None:
    try:
        return str(UUID(word)) if len(word) == 36 else None
    except ValueError:
        return None


def _only_one(
    found: Iterable[Mapping[str, Any]],
    none: str,
    look: str,
    described: Callable[[Mapping[str, Any]], str],
) -> str:
    candidates = list(found)
    if len(candidates) == 1:
        return str(candidates[0]["id"])
    if not candidates:
        raise NotFoundError(none, recovery_actions=[look])
    more = len(candidates) - _SHOWN
    raise ConflictError(
        f"{len(candidates)} are meant by that; give more of the id.",
        recovery_actions=[
            *(one_line(described(item)) for item in candidates[:_SHOWN]),
            *([f"… and {more} more"] if more > 0 else []),
        ],
    )
