"""Everything a task handler may touch, and the ports through which the host provides it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import SessionFactory, connected_session, database_time
from ticketgen.domain.run_steps import load_step, save_step
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun, hold_attempt
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.findings import Finding
from ticketgen.storable import storable

__all__ = [
    "Blocker",
    "Contributions",
    "HookAnswers",
    "ProgressPort",
    "RunIdentity",
    "StartContext",
    "StartedRun",
    "Starter",
    "TaskContext",
]

ContributionT = TypeVar("ContributionT")

# Counted per asyncio task: a transaction of one branch of a handler is no reason to refuse a
# remote call of another that runs beside it.
_open_transactions: ContextVar[int] = ContextVar("open_transactions", default=0)


class Blocker(BaseModel):
    """One reason why something may not begin, with what to do about it."""

    code: str
    message: str
    recovery_actions: tuple[str, ...] = ()


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


class TaskContext:
    """A handler's hands: short fenced transactions, progress, stored steps, other tasks.

    It never gives a bare database session or a Redis connection: what a dead attempt still
    tries to write is refused at its commit.
    """

    def __init__(
        self,
        *,
        run: RunIdentity,
        settings: Any,
        contributions: Contributions,
        hooks: HookAnswers,
        session_factory: SessionFactory,
        progress: ProgressPort,
        start: Callable[..., Awaitable[StartedRun]],
    ) -> None:
        self.run = run
        self.settings = settings
        self.contributions = contributions
        self.hooks = hooks
        self._session_factory = session_factory
        self._progress = progress
        self._start = start

    @property
    def session_id(self) -> UUID:
        """The session of a task whose subject is a session."""
        assert self.run.session_id is not None, "this run has no session"  # noqa: S101
        return self.run.session_id

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction of this attempt: committed at the end, unless the attempt is stale.

        Keep it short, and never call another machine inside (see `remote`).

        Raises:
            DatabaseUnavailableError: no connection could be had; the run is tried again later.
            StaleAttemptError: another attempt has taken over; nothing was written.
        """
        async with connected_session(self._session_factory) as db:
            _open_transactions.set(_open_transactions.get() + 1)
            try:
                yield db
                await db.flush()
                await hold_attempt(db, self.run.id, self.run.attempt)
                await db.commit()
            finally:
                _open_transactions.set(_open_transactions.get() - 1)

    @contextmanager
    def remote(self) -> Iterator[None]:
        """Around every call to another machine: proves that no transaction waits for it.

        Raises:
            RuntimeError: a transaction is open around the call, a mistake in the handler.
        """
        if _open_transactions.get():
            raise RuntimeError("a transaction is open across a remote call; close it first")
        yield

    async def progress(self, percentage: float, stage: str, **details: Any) -> None:
        """Say how far the work is: 0 to 100, a stage a person understands, JSON-able details."""
        await self._progress.publish(min(100.0, max(0.0, percentage)), stage, details)

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, done once in this lineage of runs and stored under `key`.

        An attempt that comes after a killed one gets the stored result instead of doing the
        work again. The result must be JSON-able and comes back as JSON would give it, the
        first time too. Between the end of `work` and the commit of its result a kill makes the
        step run twice: what must not happen twice belongs into `work` itself.
        """
        async with connected_session(self._session_factory) as db:
            stored = await load_step(db, lineage_id=self.run.lineage_id, key=key)
        if stored is not None:
            return stored["value"]
        value = storable(json.loads(json.dumps(await work())))
        async with self.transaction() as db:
            await save_step(db, lineage_id=self.run.lineage_id, key=key, value=value)
        return value

    async def start(
        self,
        task_type: str,
        *,
        session_id: UUID | None = None,
        request: BaseModel | None = None,
        user: User | None = None,
    ) -> StartedRun:
        """Start another task, by its qualified name, in a transaction of its own."""
        return await self._start(task_type, session_id=session_id, request=request, user=user)

    async def now(self) -> datetime:
        """The time, by the one clock all machines share: the database's."""
        async with connected_session(self._session_factory) as db:
            return await database_time(db)
