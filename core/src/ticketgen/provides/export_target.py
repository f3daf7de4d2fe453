"""The port through which a plugin sends the tickets of a session somewhere: to files, to Jira.

Before an export is stored, the target may look at what is asked: `consult` asks the other system
whether it makes sense at all, with no transaction open; `prepare` settles the options, in the
transaction of the start. In the run the target is opened once (`open`); what it yields goes along
as `Sending.outlet` with every call.

The export calls `send` once for each ticket, in dependency order, and stores what it returns before
it goes on; a stopped export begins again at the first ticket without a stored result. `follow_up`
adds what belongs to a ticket that is there, such as attachments. When every ticket has a result it
calls `complete`, which sees them all, and draws the links between them.

A worker can die between the end of a call and the storing of its result. What then happens depends
on the target:

- A target that creates nothing elsewhere has no `find`. It is simply sent the ticket again.
- A target that does create something gives `find`, and is driven through the ledger of effects
  (`TaskContext.effect`): at most one thing is created for a ticket. Where an earlier `send` has an
  unknown outcome, `find` is asked, when that `send` must be over, what became of it.
  `Sending.idempotency_key` goes into what is created, so that `find` can recognise it, and so that
  a target which refuses a second creation with the same key can do so;
  `Sending.last_reference` is where to look from, since new things follow it.

`follow_up` and `complete` may be called again after a partial success: what they create goes
through `Sending.effect`, or counts once if it is done twice.

A limit or an outage is raised as `ticketgen.errors.RateLimitedError` or `TemporaryError`. From
`send`, `send_many`, `find`, `newest` and whatever goes through `Sending.effect` the export waits
and tries that call again for a while, then the run is put off. Any other error stops the export
with its own message. Errors that prove that nothing was created stand in `refused`: they need no
look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.provides.component import Source

__all__ = [
    "CompletedExport",
    "ExportContext",
    "ExportTarget",
    "ExportTicket",
    "ExportedFile",
    "PreparedExport",
    "Sending",
    "SentTicket",
]


_LONGEST_PLACE = 100


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


@dataclass(frozen=True, kw_only=True)
class CompletedExport:
    """What an export ends with."""

    files: tuple[ExportedFile, ...] = ()
    """For the person to download."""
    manual_fixes: Mapping[UUID, tuple[str, ...]] = field(default_factory=dict)
    """By ticket: sentences that say what could not be completed, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class ExportContext:
    """The circumstances of one export, before and around its tickets."""

    session_id: UUID
    user_id: UUID | None
    """Who started it; None where a schedule or a command did."""
    project_key: str | None
    options: Mapping[str, Any]
    """What the person chose, as JSON; in `open` what `prepare` made of it."""
    settings: Any = None
    """Those of the plugin that brings the target; None if it has none."""
    state: Any = None
    """What that plugin's `lifespan` has yielded in this process; None in `prepare`."""


@dataclass(frozen=True, kw_only=True)
class PreparedExport:
    """What an export is stored with."""

    options: Mapping[str, Any]
    """As JSON, without a secret: it is shown with the run."""
    place: str = ""
    """Which of the target's places it goes to, at most 100 characters. A ticket is created once in
    each place: `example.atlassian.net/HM`. Empty: the session's project key."""

    def __post_init__(self) -> None:
        """Refuse a place that could not be stored.

        Raises:
            ValueError: it is longer than 100 characters.
        """
        if len(self.place) > _LONGEST_PLACE:
            raise ValueError(f"the place of an export has at most {_LONGEST_PLACE} characters")


class Effect(Protocol):
    """`TaskContext.effect`, for what a target creates beside the ticket itself."""

    async def __call__(
        self,
        operation: str,
        key: str,
        perform: Callable[[], Awaitable[Any]],
        *,
        look_up: Callable[[], Awaitable[Any | None]] | None = None,
        refused: tuple[type[Exception], ...] = (),
        timeout: timedelta = timedelta(seconds=30),
    ) -> Any:
        """Do it at most once for the operation and key, in this place, over all exports.

        Before something is done there is a `turn` of the target.
        """
        ...


async def _no_effect(*_: Any, **__: Any) -> Any:
    raise RuntimeError("effects are for `follow_up` and `complete`")


async def _unseen(_percentage: float, _stage: str) -> None:
    """Progress that nobody asked for."""


@dataclass(frozen=True, kw_only=True)
class Sending:
    """The circumstances of one call to a target."""

    session_id: UUID
    project_key: str | None = None
    idempotency_key: str = ""
    """The same for every attempt at the same ticket in the same session."""
    last_reference: str | None = None
    """What was created for the ticket sent before; in `find` what was created last for any ticket
    before the call in question was begun. None if nothing was."""
    reference_age: timedelta | None = None
    """In `find`: so much earlier than the call that thing was created."""
    newest_reference: str | None = None
    """In `find`: what `newest` gave before the first ticket of the run that made the call."""
    since_call: timedelta = timedelta(0)
    """In `find`: so long ago that call was over."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the person chose for this export, as `prepare` settled it."""
    outlet: Any = None
    """What `ExportTarget.open` yields."""
    effect: Effect = _no_effect
    """Does once what the target creates beside the ticket; for `follow_up` and `complete`."""
    progress: Callable[[float, str], Awaitable[None]] = _unseen
    """In `complete`: how far it is, 0 to 100 per cent of its own work, and a stage."""

    def key_of(self, ticket: ExportTicket) -> str:
        """The `idempotency_key` of a ticket, where a call is about several."""
        return f"{self.session_id}:{ticket.id}"


Send = Callable[[ExportTicket, Sending], Awaitable[SentTicket]]
Find = Callable[[ExportTicket, Sending], Awaitable[SentTicket | None]]
FollowUp = Callable[[ExportTicket, SentTicket, Sending], Awaitable[SentTicket]]
SendMany = Callable[
    [Sequence[ExportTicket], Sending], Awaitable[Mapping[UUID, SentTicket | Exception]]
]
Complete = Callable[
    [Sequence[ExportTicket], Mapping[UUID, SentTicket], Sending],
    Awaitable[CompletedExport],
]


def _one_by_one(_ticket: ExportTicket, _sending: Sending) -> int:
    return 1


@dataclass(frozen=True, kw_only=True)
class ExportTarget:
    """One place tickets can be sent to, chosen by its name."""

    name: str
    summary: str
    send: Send
    """Sends one ticket; every ticket it depends on was sent before."""
    complete: Complete
    """Ends the export, with all tickets and all results (without files)."""
    find: Find | None = None
    """What an earlier `send` of the ticket created; None if it created nothing and never will.

    Raises a `TemporaryError` if it cannot tell yet, an `OutcomeUnknownError` if it cannot tell.
    Leave it out only where sending twice is as good as once.
    """
    refused: tuple[type[Exception], ...] = ()
    """Errors of `send` that prove that nothing was created, such as a limit that was used up."""
    timeout: timedelta = timedelta(seconds=30)
    """A `send` is stopped after so long if there is a `find`; longer than the worst answer."""
    time_of: Callable[[int, Sending], timedelta] | None = None
    """The same for so many tickets by one call, where the outlet knows better."""
    consult: Callable[[ExportContext], Awaitable[None]] | None = None
    """Asks the other system whether the export can work, before a start over the API; within 15 s.
    What it raises is the answer."""
    prepare: Callable[[AsyncSession, ExportContext], Awaitable[PreparedExport]] | None = None
    """Checks the options and settles what they leave open, in the transaction of the start."""
    open: Callable[[ExportContext], AbstractAsyncContextManager[Any]] | None = None
    """Opens what the calls of one attempt share; what it yields is `Sending.outlet`."""
    newest: Callable[[Sending], Awaitable[str | None]] | None = None
    """The newest thing that is there, asked once before the first ticket of a run is sent: it tells
    `find` where to look from."""
    turn: Callable[[Sequence[ExportTicket], Sending], Awaitable[None]] | None = None
    """Finds out what it needs to know of these tickets, and waits until the next thing may be
    created; nothing is under way meanwhile. No ticket: something beside them is to be created."""
    follow_up: FollowUp | None = None
    """Adds to a ticket that is there what belongs to it; gives the result with what was left out.
    Called after every `send`, and again for a ticket whose follow-up was not recorded."""
    send_many: SendMany | None = None
    """Sends several tickets by one call; needs `find`. A ticket that is answered with an error of
    `refused` was not created, and is sent by itself; so are all if the call raises one that is not
    temporary. A ticket without an answer is looked for."""
    many: Callable[[ExportTicket, Sending], int] = _one_by_one
    """How many tickets may go in one call of which this is the first; 1: it goes by itself."""

    def __post_init__(self) -> None:
        """Refuse what would create twice.

        Raises:
            ValueError: several can be sent by one call, and nobody can find out what became of it.
        """
        if self.send_many is not None and self.find is None:
            raise ValueError(f"the target {self.name!r} has `send_many` and no `find`")
