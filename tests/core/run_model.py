"""What a run should be, in plain Python, and a host to compare it with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen import Exclusivity, RetryPolicy
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import InvalidInputError, TemporaryError
from ticketgen.outcomes import Cancelled, Completed, Failed, HandedBack, Outcome, Parked
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.starting import UnitOfWork

MAX_TRIES = 2
WORKERS = (uuid7(), uuid7())
TASKS = {
    "lab.a": Exclusivity.TYPE,
    "lab.b": Exclusivity.TYPE,
    "lab.c": Exclusivity.NONE,
}
OUTCOMES: dict[str, Outcome] = {
    "completed": Completed(summary={"n": 1}),
    "failed": Failed(error=InvalidInputError("Wrong.")),
    "busy": Failed(error=TemporaryError("Busy.")),
    "busy for an hour": Failed(error=TemporaryError("Busy.", retry_after=timedelta(hours=1))),
    "handed back": HandedBack(),
    "cancelled": Cancelled(),
    "parked": Parked(reason={"code": "unreadable_payload", "version": "1"}),
}
SETTLED = {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}

ResultT = TypeVar("ResultT")


@dataclass(kw_only=True)
class ModelRun:
    """What a run should be."""

    id: UUID
    task_type: str
    lineage: UUID
    retry_count: int = 0
    state: RunState = RunState.QUEUED
    tries: int = 0
    rescues: int = 0
    due: bool = True
    cancel_asked: bool = False
    outcomes: list[AttemptOutcome | None] = field(default_factory=list)
    """Of the attempts, the first first; None of the open one."""
    claims: list[TaskRun] = field(default_factory=list)
    """What each attempt got in hand."""
    workers: list[UUID] = field(default_factory=list)
    alone: bool = False
    expired: bool = False

    @property
    def attempt(self) -> int:
        return len(self.outcomes)

    def end(self, outcome: AttemptOutcome, state: RunState, *, tries: int = 0) -> None:
        self.outcomes[-1] = outcome
        self.state = state
        self.tries += tries
        self.expired = False


class Host:
    """A host and its event loop, driven from outside."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        tasks = [
            lab.task(
                name, exclusivity=kind, retry=RetryPolicy(max_tries=MAX_TRIES, base=timedelta())
            )
            for name, kind in TASKS.items()
        ]
        self.runtime: Runtime = self.do(
            self._stack.enter_async_context(lab.open_lab(settings, *tasks))
        )

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return self._runner.run(work)

    async def everything(self) -> tuple[dict[UUID, TaskRun], dict[UUID, list[RunAttempt]]]:
        """All runs by id, and their attempts in order."""
        async with self.runtime.session_factory() as db:
            rows = {row.id: row for row in await db.scalars(select(TaskRun))}
            attempts: dict[UUID, list[RunAttempt]] = {}
            for item in await db.scalars(select(RunAttempt).order_by(RunAttempt.attempt)):
                attempts.setdefault(item.run_id, []).append(item)
        return rows, attempts

    def close(self) -> None:
        self.do(self._stack.aclose())
        self._runner.close()


@contextmanager
def hosted(settings: Settings) -> Iterator[Host]:
    host = Host(settings)
    try:
        yield host
    finally:
        host.close()


class Unit:
    """A unit of work that tells no queue of it: the rows are what is looked at."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._db = runtime.session_factory()

    async def __aenter__(self) -> UnitOfWork:
        return UnitOfWork(self._db, self._runtime.registry)

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            await self._db.commit()
        await self._db.close()


def values_of(row: TaskRun) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in TaskRun.__table__.columns}
