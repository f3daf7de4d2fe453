"""The contract between host and plugin: one frozen `Plugin` value, and a few typed hooks.

A plugin is an installed distribution with an entry point in the group `ticketgen.plugins`
that names a module. That module implements `ticketgen_plugin` and, if it wants to react to
what others do, any of the hooks below it::

    from ticketgen import Plugin, hookimpl

    @hookimpl
    def ticketgen_plugin() -> Plugin:
        return Plugin(name="acme", summary="Labels tickets.", tasks=(LABEL_TICKETS,))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy
from pydantic import BaseModel, ConfigDict
from pydantic_settings import BaseSettings
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.context import TaskContext
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import TicketgenError
from ticketgen.findings import Blocker, Finding
from ticketgen.lazy import Lazy
from ticketgen.ports import ConsultContext, Host, RunIdentity, SettledRun, StartContext, Starter

if TYPE_CHECKING:
    from fastapi import APIRouter  # a quarter of what a worker would import

__all__ = [
    "CONTRACT_VERSION",
    "ENTRY_POINT_GROUP",
    "TICKETS_GROUP",
    "Caller",
    "Exclusivity",
    "Migrations",
    "Misfire",
    "NoRequest",
    "Overlap",
    "Plugin",
    "RetryPolicy",
    "Schedule",
    "StageMoves",
    "Subject",
    "Task",
    "hookimpl",
    "hookspec",
]

CONTRACT_VERSION = "1.1"
"""Grows by a minor with every addition, by a major when a plugin has to change."""

ENTRY_POINT_GROUP = "ticketgen.plugins"

TICKETS_GROUP = "tickets"
"""The conflict group of tasks that need a session's tickets to stand still: no two of them at
once, and no edit of a ticket while one is active."""

hookspec = pluggy.HookspecMarker("ticketgen")
hookimpl = pluggy.HookimplMarker("ticketgen")

RequestT = TypeVar("RequestT", bound=BaseModel)
PayloadT = TypeVar("PayloadT", bound=BaseModel)


class Subject(StrEnum):
    """What a run is about."""

    SESSION = "session"
    NONE = "none"
    """Nothing of ours: a schedule, or a subject the payload names."""


class Caller(StrEnum):
    """Who may start a task over the API."""

    OWNER = "owner"
    """Whoever owns the session, and administrators."""
    ADMIN = "admin"
    SCHEDULE = "schedule"
    """Nobody: only a schedule, or another task."""


class Exclusivity(StrEnum):
    """Of which runs only one may be active; a second start is answered with the first's id."""

    SUBJECT = "subject"
    """One of the task type per session."""
    TYPE = "type"
    """One of the task type in the whole system."""
    NONE = "none"


class NoRequest(BaseModel):
    """The request of a task that needs to be told nothing."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How a temporary failure is tried again: exponential backoff with full jitter.

    The delay before try n + 1 is random between 0 and `base × 2ⁿ⁻¹`, at most `limit`, and at
    least what the failure's `retry_after` says. Unset durations are the host's settings
    `retry_delay` and `retry_delay_limit`.
    """

    max_tries: int = 4
    """All tries together: 1 + 3 retries, as the founding specification has it."""
    base: timedelta | None = None
    limit: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class StageMoves:
    """Which stages of a session allow the start, and where start and end take it."""

    allowed: tuple[Stage, ...]
    """A start in any other stage is refused with 409."""
    on_start: Stage | None = None
    on_success: Stage | None = None
    on_failure: Stage | None = None
    on_cancel: Stage | None = None


@dataclass(frozen=True, kw_only=True)
class Task(Generic[RequestT, PayloadT]):
    """A kind of background work; each occurrence of it is a run.

    `prepare` validates in the transaction of whoever starts the run and returns the payload to
    store; `handler` does the work in a worker and returns a summary, JSON-able or a model.
    """

    name: str
    """The task type: the plugin's name, or `name.something`; also URL segment and channel."""
    summary: str
    """One sentence for listings and the description of the API."""
    request: type[RequestT]
    """What a start is asked with: the body of the POST, or the defaults of its fields."""
    payload: type[PayloadT]
    """What is stored with the run and handed to the handler; give it a `schema_version`."""
    prepare: Callable[[StartContext, RequestT], Awaitable[PayloadT]]
    """Validates a start, in its transaction; what it raises is the answer."""
    handler: Callable[[TaskContext, PayloadT], Awaitable[BaseModel | dict[str, Any]]]
    """Does the work, at least once; `in_thread` makes one of a plain function."""
    job_name: str
    """The name of the job function in arq's `functions`."""
    subject: Subject = Subject.SESSION
    """What a run is about: a session, or nothing of ours."""
    startable_by: Caller = Caller.OWNER
    """Who may start it over the API."""
    exclusivity: Exclusivity = Exclusivity.SUBJECT
    """Of which runs only one may be active."""
    conflict_group: str | None = None
    """Tasks of one group exclude each other within a session: a start is refused with 409."""
    timeout: timedelta | None = None
    """Longest an attempt may take; unset: the host's `job_timeout`."""
    retry: RetryPolicy = RetryPolicy()
    """How often and how late a temporary failure is tried again."""
    stages: StageMoves | None = None
    """Which stages of the session allow a start, and where it and its end take the session."""
    consult: Callable[[ConsultContext, RequestT], Awaitable[None]] | None = None
    """Asks other systems whether a start over the API makes sense, before `prepare` and outside
    of any transaction, within 15 s; what it raises is the answer. A start by a schedule, another
    task or a command is not preceded by it: the handler finds out by itself."""
    discard: Callable[[AsyncSession, RunIdentity], Awaitable[None]] | None = None
    """Deletes the partial results of a run, in the transaction that settles it as cancelled;
    unset: what was done so far is kept. If it fails the run is cancelled all the same."""


class Overlap(StrEnum):
    """What happens at a fire time while the run of an earlier one is active."""

    SKIP = "skip"
    """Nothing: the fire time is recorded as overlapped."""
    WAIT = "wait"
    """One more run starts as soon as the earlier one has ended, however many times came by."""
    ALLOW = "allow"
    """Another run starts beside it; the task's exclusivity must be `Exclusivity.NONE`."""


class Misfire(StrEnum):
    """What happens to fire times at which nobody was there to fire."""

    ONCE = "once"
    """One run makes up for all of them."""
    SKIP = "skip"
    """They are recorded as missed, and the next one comes in its turn."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a task of the same plugin is started by itself."""

    name: str
    """Unique within the plugin."""
    task: str
    """Name of a task whose subject is `Subject.NONE` and whose request has defaults only."""
    cron: str
    """Five fields, by the clock of `zone`: minute, hour, day of month, month, day of week."""
    summary: str = ""
    zone: str = "UTC"
    """A zone of the IANA database, `Europe/Berlin`. Where a clock change skips a fire time it
    comes at the first moment after the gap; where it repeats one, the first counts. A schedule
    of every hour (`*` as hour) fires through both, at every moment whose local time matches."""
    overlap: Overlap = Overlap.SKIP
    """What happens at a fire time while a run of the schedule is active."""
    misfire: Misfire = Misfire.ONCE
    """What happens to fire times at which nobody was there, by more than `misfire_grace`."""
    misfire_grace: timedelta = timedelta(minutes=1)
    """So late a fire time is still on time."""


@dataclass(frozen=True, kw_only=True)
class Migrations:
    """The tables a plugin brings, and how they came to be.

    Every table's name is `{plugin}` or begins with `{plugin}_`. A foreign key to a table of the
    host's has `ondelete="CASCADE"` or `"SET NULL"`: the host deletes its rows without asking.
    """

    versions: Path
    """The directory with Alembic's revision files; it must be shipped in the wheel. There is
    no `env.py`: the host runs them, each plugin's in one transaction, and keeps the revision in
    a table of the plugin's own, `{plugin}_schema`."""
    metadata: MetaData
    """Of the plugin's tables, as the newest revision leaves them."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """Everything one plugin contributes; checked as a whole, then frozen."""

    name: str
    """Lower-case identifier, equal to the entry point's name."""
    summary: str
    """One sentence for listings."""
    requires: str = ">=1.0,<2"
    """The contract versions it works with, as a version specifier."""
    tasks: tuple[Task[Any, Any], ...] = ()
    """Kinds of background work."""
    schedules: tuple[Schedule, ...] = ()
    """When its own tasks start by themselves."""
    router: APIRouter | Lazy[APIRouter] | None = None
    """Mounted under `/api/{name}` behind the host's authentication. Given by `Lazy`, it and
    FastAPI are no weight of a worker's."""
    public_router: APIRouter | Lazy[APIRouter] | None = None
    """Mounted under `/api/{name}` for everybody, without authentication: a webhook that checks a
    signature itself. Listings say which routes are public."""
    service: Callable[[Starter], Any] | None = None
    """The enqueue side: a class built with a `Starter`, per unit of work."""
    settings: type[BaseSettings] | None = None
    """Read with the prefix `TICKETGEN_{NAME}_`; give it none of its own."""
    provides: tuple[object, ...] = ()
    """Typed values for the rest: see `ticketgen.provides`."""
    errors: tuple[type[TicketgenError], ...] = ()
    """Its error classes, for the documentation; their codes begin with `{name}.`."""
    migrations: Migrations | None = None
    """Tables of its own."""
    lifespan: Callable[[Host], AbstractAsyncContextManager[Any]] | None = None
    """Opened when an API or worker process starts, within `plugin_start_timeout`, and closed when
    it stops, within 4 s, all plugins at once: none may need another. What it yields is
    `TaskContext.state` and `ticketgen.api.deps.state`."""


class Hooks:
    """The hooks a plugin module may implement; all but the first are `async def`.

    The host awaits the implementations one by one, in the order of plugin names, each with a
    time limit of its own, and in a savepoint where there is a transaction.
    """

    @hookspec
    def ticketgen_plugin(self) -> Plugin:
        """Return what the plugin contributes. Called once, when the host starts."""
        raise AssertionError("a specification is never called")

    @hookspec
    async def ticketgen_export_blockers(
        self, db: AsyncSession, session: WorkSession
    ) -> list[Blocker]:
        """Say why a session may not be exported; an empty list lets it pass.

        Asked in the transaction that starts an export, the session's row locked; and, without the
        lock, whenever somebody wants to know beforehand. It only looks. A gate that raises or is
        late blocks.
        """
        raise AssertionError("a specification is never called")

    @hookspec
    async def ticketgen_check_ticket(self, db: AsyncSession, ticket: Ticket) -> list[Finding]:
        """Say what is wrong with a ticket; asked for every ticket while it is validated.

        A check that raises becomes a warning that names it.
        """
        raise AssertionError("a specification is never called")

    @hookspec
    async def ticketgen_run_settled(self, host: Host, run: SettledRun) -> None:
        """React to the ending of any run, whosever it is: a message to a chat, a follow-up run.

        Called after the commit that settled it, in one API or worker process, at least once:
        again if that process died or stopped in between. What it raises is logged and changes
        nothing. An ending is missed while the plugin is out of use in the process that tells of
        it (the log says `ending_not_told`), in safe mode, or not installed there. In a worker
        for some plugins the others' hooks are called too, without their lifespans. No
        transaction is open; `host.unit_of_work()` opens one.
        """
        raise AssertionError("a specification is never called")
