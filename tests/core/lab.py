"""A plugin whose task does whatever a test wants, and a host that has only this plugin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from ticketgen import (
    Caller,
    Exclusivity,
    Plugin,
    Schedule,
    StartContext,
    Subject,
    Task,
    TaskContext,
)
from ticketgen.domain import run_attempts, sessions, task_runs, transitions, users, workers
from ticketgen.domain.failures import Failure
from ticketgen.domain.run_attempts import RunAttempt
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.maintenance import Reconciler
from ticketgen.progress import ProgressMessage
from ticketgen.runner import Runner
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of

PATIENCE = 60.0
"""Seconds after which a test that hangs fails; no test that passes comes near, on any machine."""


class Note(BaseModel):
    """Request and payload of the lab's tasks."""

    note: str = ""


Handler = Callable[[TaskContext, Note], Awaitable[dict[str, Any]]]


async def prepare(start: StartContext, request: Note) -> Note:
    return request


async def succeed(ctx: TaskContext, payload: Note) -> dict[str, Any]:
    return {"note": payload.note, "attempt": ctx.run.attempt}


def raising(*errors: BaseException) -> Handler:
    """A handler that raises these one after another, the last for ever."""
    left = list(errors)

    async def handler(ctx: TaskContext, payload: Note) -> dict[str, Any]:
        raise left.pop(0) if len(left) > 1 else left[0]

    return handler


class LookClock:
    """The time by which a reconciler judges whether it has looked regularly; stands still."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def pass_(self, duration: timedelta) -> None:
        self._now += duration

    async def __call__(self, db: object) -> datetime:
        return self._now


def clock_of_looks(monkeypatch: pytest.MonkeyPatch) -> LookClock:
    """Let a reconciler take the time of its looks from this clock."""
    clock = LookClock()
    monkeypatch.setattr("ticketgen.maintenance.database_time", clock)
    return clock


class Gate:
    """A handler that says when it has begun, and waits until it may go on, or has to stop."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.stopped = asyncio.Event()
        self.contexts: list[TaskContext] = []

    async def handler(self, ctx: TaskContext, payload: Note) -> dict[str, Any]:
        self.contexts.append(ctx)
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return {"attempt": ctx.run.attempt}


async def until(happened: Callable[[], Awaitable[object]], *, within: float = PATIENCE) -> None:
    """Ask again and again until the answer is true; fails after so many seconds."""
    async with asyncio.timeout(within):
        while not await happened():  # noqa: ASYNC110 - a row tells nobody of its change
            await asyncio.sleep(0.02)


def task(name: str = "lab", handler: Handler = succeed, **options: Any) -> Task[Note, Note]:
    usual: dict[str, Any] = {
        "prepare": prepare,
        "subject": Subject.NONE,
        "exclusivity": Exclusivity.TYPE,
        "startable_by": Caller.ADMIN,
    }
    return Task(
        name=name,
        summary="Does what a test wants.",
        request=Note,
        payload=Note,
        handler=handler,
        job_name=f"{name.replace('.', '_')}_job",
        **(usual | options),
    )


def session_task(name: str = "lab", handler: Handler = succeed, **options: Any) -> Task[Note, Note]:
    session = {
        "subject": Subject.SESSION,
        "exclusivity": Exclusivity.SUBJECT,
        "startable_by": Caller.OWNER,
    }
    return task(name, handler, **(session | options))


def lab_plugin(*tasks: Task[Note, Note], schedules: Sequence[Schedule] = ()) -> Plugin:
    return Plugin(
        name="lab",
        summary="Does what a test wants.",
        tasks=tasks or (task(),),
        schedules=tuple(schedules),
    )


@asynccontextmanager
async def open_lab(
    settings: Settings, *tasks: Task[Note, Note], schedules: Sequence[Schedule] = ()
) -> AsyncIterator[Runtime]:
    """A host with the lab alone; when it closes, every database connection must be back."""
    registry = registry_of(settings, lab_plugin(*tasks, schedules=schedules))
    async with open_runtime(settings, registry=registry) as runtime:
        yield runtime
        await runtime.announcer.all_noted()
        pool: Any = runtime.engine.pool
        assert pool.checkedout() == 0, "a database connection was not given back"


def runner_of(runtime: Runtime, *, worker_id: UUID | None = None) -> Runner:
    return Runner(runtime, worker_id=worker_id or uuid7(), worker="lab:1")


async def claim(
    runtime: Runtime, run_id: UUID, *, worker_id: UUID | None = None, **options: Any
) -> TaskRun | None:
    async with runtime.session_factory() as db:
        run = await transitions.claim_run(
            db,
            run_id,
            worker_id=worker_id or uuid7(),
            worker="lab:2",
            **({"lease": runtime.settings.lease} | options),
        )
        await db.commit()
    return run


async def expire_lease(runtime: Runtime, run_id: UUID) -> None:
    """As if the worker that holds the run had not been heard of for a whole lease."""
    async with runtime.session_factory() as db:
        await db.execute(
            update(RunAttempt)
            .where(RunAttempt.run_id == run_id, RunAttempt.ended_at.is_(None))
            .values(lease_expires_at=func.clock_timestamp() - timedelta(milliseconds=1))
        )
        await db.commit()


async def run_alone(runtime: Runtime, run_id: UUID) -> TaskRun:
    """Run it once in a worker that holds nothing else, and give it as it stands then."""
    await runner_of(runtime).run(run_id)
    return await run_of(runtime, run_id)


async def lose(runtime: Runtime, run_id: UUID, *, alone: bool = False) -> None:
    """Let a worker claim the run and die, and let the run be rescued."""
    assert await claim(runtime, run_id, alone=alone) is not None
    await expire_lease(runtime, run_id)
    await reconciler_of(runtime).reconcile()


async def say_alive(
    runtime: Runtime,
    *task_types: str,
    worker_id: UUID | None = None,
    plugins: dict[str, str] | None = None,
) -> UUID:
    """Let a worker that offers these task types say that it lives."""
    worker_id = worker_id or uuid7()
    async with runtime.session_factory() as db:
        await workers.say_alive(
            db,
            worker_id=worker_id,
            host="lab",
            pid=1,
            version="1",
            task_types=list(task_types),
            plugins=plugins or {},
            max_jobs=2,
            running=0,
            lag=0.0,
        )
        await db.commit()
    return worker_id


def reconciler_of(runtime: Runtime) -> Reconciler:
    return Reconciler(settler=runtime.settler)


async def queued_jobs(runtime: Runtime) -> list[str]:
    return [job.decode() for job in await runtime.redis.zrange("arq:queue", 0, -1)]


async def attempts_of(runtime: Runtime, run_id: UUID) -> list[RunAttempt]:
    async with runtime.session_factory() as db:
        return await run_attempts.list_attempts(db, run_id)


async def new_session(runtime: Runtime, *, stage: Stage = Stage.UPLOAD) -> UUID:
    async with runtime.session_factory() as db:
        owner = await users.create_user(db, name=f"user-{uuid7()}", role=users.Role.MEMBER)
        session = WorkSession(owner_id=owner.id, name="Harbour Museum", stage=stage)
        db.add(session)
        await db.commit()
    return session.id


async def start(runtime: Runtime, task_type: str = "lab", **arguments: Any) -> TaskRun:
    async with runtime.unit_of_work() as work:
        started = await work.start(task_type, **arguments)
    return started.run


async def run_of(runtime: Runtime, run_id: UUID) -> TaskRun:
    async with runtime.session_factory() as db:
        return await task_runs.get_run(db, run_id)


async def stage_of(runtime: Runtime, session_id: UUID) -> Stage:
    async with runtime.session_factory() as db:
        return (await sessions.get_session(db, session_id)).stage


async def failures_of(runtime: Runtime, run_id: UUID) -> list[Failure]:
    async with runtime.session_factory() as db:
        found = await db.scalars(
            select(Failure).where(Failure.task_id == run_id).order_by(Failure.created_at)
        )
        return list(found)


async def change_run(runtime: Runtime, run_id: UUID, **values: Any) -> None:
    async with runtime.session_factory() as db:
        await db.execute(update(TaskRun).where(TaskRun.id == run_id).values(**values))
        await db.commit()


async def messages_of(runtime: Runtime, channel: str) -> list[ProgressMessage]:
    entries = await runtime.redis.xrange(f"{channel}:stream")
    return [ProgressMessage.model_validate_json(fields[b"message"]) for _, fields in entries]
