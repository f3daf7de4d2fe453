"""The port through which a plugin sends the tickets of a session somewhere: to files, to Jira.

The export calls `ExportTarget.send` once for each ticket, in dependency order, and stores what it
returns before it goes on; a stopped export begins again at the first ticket without a stored
result. When every ticket has one it calls `complete`, which sees them all.

A worker can die between the end of a `send` and the storing of its result. What then happens
depends on the target:

- A target that creates nothing elsewhere has no `find`. It is simply sent the ticket again.
- A target that does create something gives `find`, and is driven through the ledger of effects
  (`TaskContext.effect`): at most one thing is created for a ticket. Where an earlier `send` has an
  unknown outcome, `find` is asked, when that `send` must be over, what became of it.
  `Sending.idempotency_key` goes into what is created, so that `find` can recognise it, and so that
  a target which refuses a second creation with the same key can do so;
  `Sending.last_reference` is where to look from, since new things follow it.

`complete` may be called again after a partial success, so what it does twice must count once.

A target for Jira fits without a change here: `send` creates one issue, answers with its key and
url, and lists an assignee or sprint that Jira refused under `manual_fixes`; `find` searches for
the key, reads upward from `last_reference` because the search lags behind, and raises
`ticketgen.errors.OutcomeUnknownError` where it cannot tell; `complete` draws the links between
issues, for which it has the reference of every ticket; the site and the options come in
`Sending.options`, the token is read through `Sending.secret` at the moment of use and is never
stored. A limit or an outage is raised as `ticketgen.errors.RateLimitedError` or `TemporaryError`
and retried by the caller; any other error stops the export with its own message. Errors that prove
that nothing was created stand in `refused`: they need no look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ticketgen.provides.component import Source

__all__ = [
    "ExportTarget",
    "ExportTicket",
    "ExportedFile",
    "Sending",
    "SentTicket",
]


@dataclass(frozen=True, kw_only=True)
class ExportTicket:
    """One validated ticket, as every target gets it."""

    id: UUID
    key: str
    """Key of the component the ticket is about; stable over generations of the same sheets."""
    position: int
    """Place in the dependency order of the session; no two tickets share one."""
    title: str
    description: str
    """Markdown, as the person edited it; the short form where it was too long."""
    document: Mapping[str, Any]
    """The same as an ADF document that passed validation."""
    entity_group: str
    csv_type: str
    depends_on: tuple[UUID, ...] = ()
    assignee: str | None = None
    sprint: str | None = None
    sources: tuple[Source, ...] = ()
    attachments: tuple[ExportedFile, ...] = ()
    """Files that belong to the ticket: the whole text of one that was too long."""


class ExportedFile(BaseModel):
    """One file of an export; `name` is a relative path with forward slashes.

    As JSON the bytes are base64. Keep files out of stored step results all the same: the caller
    puts them into their own table.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    name: str
    media_type: str
    content: bytes


class SentTicket(BaseModel):
    """What became of one ticket: where it is now, and what a person has to mend by hand.

    It survives a round trip through JSON, so it can be the result of a durable step; use
    `without_files` there and store the files beside it.
    """

    model_config = ConfigDict(frozen=True)

    ticket_id: UUID
    reference: str
    """What the target calls the ticket: an issue key, a file name."""
    url: str | None = None
    files: tuple[ExportedFile, ...] = ()
    manual_fixes: tuple[str, ...] = ()
    """Sentences that say what was left out and what to do about it."""

    def without_files(self) -> SentTicket:
        """Promise the same result, small enough to be stored as a step."""
        return self.model_copy(update={"files": ()})


async def _no_secret(name: str) -> str:
    message = f"no secret named {name!r} is stored for this session"
    raise LookupError(message)


@dataclass(frozen=True, kw_only=True)
class Sending:
    """The circumstances of one call to a target."""

    session_id: UUID
    project_key: str | None = None
    idempotency_key: str = ""
    """The same for every attempt at the same ticket in the same session."""
    last_reference: str | None = None
    """The reference of the ticket sent last, if any was."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the person chose for this export, as JSON."""
    secret: Callable[[str], Awaitable[str]] = _no_secret
    """Reads a stored secret by name; raises LookupError where there is none."""


Send = Callable[[ExportTicket, Sending], Awaitable[SentTicket]]
Find = Callable[[ExportTicket, Sending], Awaitable[SentTicket | None]]
Complete = Callable[
    [Sequence[ExportTicket], Mapping[UUID, SentTicket], Sending],
    Awaitable[tuple[ExportedFile, ...]],
]


@dataclass(frozen=True, kw_only=True)
class ExportTarget:
    """One place tickets can be sent to, chosen by its name."""

    name: str
    summary: str
    send: Send
    """Sends one ticket; every ticket it depends on was sent before."""
    complete: Complete
    """Ends the export, with all tickets and all results (without files); files for the person."""
    find: Find | None = None
    """What an earlier `send` of the ticket created; None if it created nothing and never will.

    Raises a `TemporaryError` if it cannot tell yet, an `OutcomeUnknownError` if it cannot tell.
    Leave it out only where sending twice is as good as once.
    """
    refused: tuple[type[Exception], ...] = ()
    """Errors of `send` that prove that nothing was created, such as a limit that was used up."""
    timeout: timedelta = timedelta(seconds=30)
    """A `send` is stopped after so long if there is a `find`; longer than the worst answer."""
