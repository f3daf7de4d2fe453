"""What a plugin is handed by its host, beside the hands of a handler: ports and plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.findings import Blocker, Finding
from ticketgen.vault import Vault

__all__ = [
    "ConsultContext",
    "Contributions",
    "HookAnswers",
    "Host",
    "HostWork",
    "ProgressPort",
    "Role",
    "RunIdentity",
    "SettledRun",
    "StartContext",
    "StartedRun",
    "Starter",
]

ContributionT = TypeVar("ContributionT")


@dataclass(frozen=True, kw_only=True)
class StartedRun:
    """The answer to a start: the run, and whether it was there before."""

    run: TaskRun
    existing: bool


class Contributions(Protocol):
    """What the installed plugins provide, found by type."""

    def provided(self, kind: type[ContributionT]) -> tuple[ContributionT, ...]:
        """Every contributed value of that type, in the order of plugin names."""
        ...

    def owned(self, kind: type[ContributionT]) -> tuple[tuple[str, ContributionT], ...]:
        """The same, each value with the name of the plugin that brings it."""
        ...

    def settings_of(self, plugin: str) -> Any:
        """The settings of a plugin, for a value it provides; None if it has none."""
        ...


class HookAnswers(Protocol):
    """The hooks of all plugins, called one by one, each kept from harming the others."""

    async def export_blockers(self, db: AsyncSession, session: WorkSession) -> list[Blocker]:
        """Why the session may not be exported; a gate that fails counts as a blocker."""
        ...

    async def check_ticket(self, db: AsyncSession, ticket: Ticket) -> list[Finding]:
        """What the plugins' checks say of a ticket; a check that fails becomes a finding."""
        ...


class Starter(Protocol):
    """Starts tasks by name: the enqueue side of a service is built on this, never on a queue."""

    async def start(
        self,
        task_type: str,
        *,
        session_id: UUID | None = None,
        request: BaseModel | None = None,
        user: User | None = None,
    ) -> StartedRun:
        """Validate the request and store the run; the queue hears of it after the commit.

        Raises:
            TicketgenError: what the task's `prepare` or the session's state refuses.
        """
        ...

    async def start_many(
        self,
        task_type: str,
        requests: Sequence[BaseModel | Mapping[str, Any]],
        *,
        session_id: UUID | None = None,
        user: User | None = None,
    ) -> list[UUID]:
        """Store many runs of one task, all or none; their ids, in the order of the requests.

        Raises:
            InvalidInputError: a request does not fit, or the task runs once at a time.
            TicketgenError: what the task's `prepare` or the session's state refuses.
        """
        ...


class HostWork(Starter, Protocol):
    """One transaction of the host: what is started in it is delivered after its commit."""

    @property
    def db(self) -> AsyncSession:
        """The transaction; whoever opened the unit of work commits it, nobody else."""
        ...


class Role(StrEnum):
    """What kind of process a plugin is loaded in."""

    API = "api"
    WORKER = "worker"
    COMMAND = "command"
    """A command line that ends when its work is done."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a plugin may use of its process outside of runs and requests."""

    role: Role
    settings: Any
    """The plugin's own settings, an instance of `Plugin.settings`."""
    contributions: Contributions
    unit_of_work: Callable[[], AbstractAsyncContextManager[HostWork]]
    """Opens a transaction, committed at the end of the block."""
    vault: Vault
    """The plugin's secrets of other systems, sealed at rest."""


@dataclass(frozen=True, kw_only=True)
class SettledRun:
    """What became of a run that has ended."""

    id: UUID
    task_type: str
    session_id: UUID | None
    status: str
    """`completed`, `failed` or `cancelled`."""
    result_summary: Mapping[str, Any] | None
    """What its handler returned, if it completed."""
    error: Mapping[str, Any] | None
    """If it failed: `error_id`, `error_category`, `code`, `user_message`, `recovery_actions`."""
    finished_at: datetime


class ProgressPort(Protocol):
    """Takes the progress of one run to whoever watches it."""

    async def publish(self, percentage: float, stage: str, details: Mapping[str, Any]) -> None:
        """Say how far the run is; may hold back all but the newest of too many."""
        ...


@dataclass(frozen=True, kw_only=True)
class StartContext:
    """What a task's `prepare` may look at; it runs in the caller's transaction."""

    db: AsyncSession
    session: WorkSession | None
    """The session, its row locked; None for a task without a session."""
    user: User | None
    """Who starts it; None where a schedule or another run does."""
    settings: Any
    """The plugin's own settings, an instance of `Plugin.settings`."""
    contributions: Contributions
    hooks: HookAnswers

    def require_session(self) -> WorkSession:
        """The session of a task whose subject is a session."""
        assert self.session is not None, "the host starts this task with a session only"  # noqa: S101
        return self.session


@dataclass(frozen=True, kw_only=True)
class ConsultContext:
    """What a task's `consult` may look at; no transaction is open."""

    session: WorkSession | None
    """The session as it was read a moment ago; None for a task without a session."""
    user: User | None
    settings: Any
    """The plugin's own settings, an instance of `Plugin.settings`."""
    state: Any
    """What the plugin's `lifespan` has yielded in this process; None if it has none."""
    states: Mapping[str, Any]
    """The same of every plugin, by name, for values that others contribute."""
    contributions: Contributions

    def require_session(self) -> WorkSession:
        """The session of a task whose subject is a session."""
        assert self.session is not None, "the host starts this task with a session only"  # noqa: S101
        return self.session


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """Which attempt of which run this is."""

    id: UUID
    task_type: str
    session_id: UUID | None
    lineage_id: UUID
    requested_by: UUID | None
    attempt: int
    """The fence: every claim has its own."""
    tries: int
    """1 at the first try; goes up with automatic retries only."""
