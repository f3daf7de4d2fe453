from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import func, select

from tests.core import lab
from ticketgen import TaskContext
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.run_steps import RunStep
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.errors import TemporaryError
from ticketgen.outcomes import Cancelled, Completed, Failed, HandedBack, Outcome, Parked
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@dataclass(frozen=True, kw_only=True)
class _Overtaken:
    """A run whose first attempt still works although a second one has taken over."""

    runtime: Runtime
    run: TaskRun
    dead: TaskContext
    alive: TaskContext
    end_dead: asyncio.Event


@asynccontextmanager
async def _overtaken(settings: Settings) -> AsyncIterator[_Overtaken]:
    dead, alive = lab.Gate(), lab.Gate()
    gates = [dead, alive]

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, object]:
        return await gates[ctx.run.attempt - 1].handler(ctx, payload)

    async with lab.open_lab(settings, lab.session_task(handler=handler)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        first = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await asyncio.wait_for(dead.begun.wait(), lab.PATIENCE)
        await lab.expire_lease(runtime, run.id)
        await lab.reconciler_of(runtime).reconcile()
        second = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await asyncio.wait_for(alive.begun.wait(), lab.PATIENCE)
        try:
            yield _Overtaken(
                runtime=runtime,
                run=run,
                dead=dead.contexts[0],
                alive=alive.contexts[0],
                end_dead=dead.go_on,
            )
        finally:
            dead.go_on.set()
            await first
            alive.go_on.set()
            await second


async def test_a_late_message_of_a_dead_attempt_is_dropped(settings: Settings) -> None:
    async with _overtaken(settings) as case:
        channel = f"progress:{case.run.session_id}:lab"
        await case.alive.progress(20, "second")
        await lab.until(lambda: lab.messages_of(case.runtime, channel))

        await case.dead.progress(90, "first")
        await asyncio.sleep(0.2)

        messages = await lab.messages_of(case.runtime, channel)
        stored = await lab.run_of(case.runtime, case.run.id)
        assert [(m.attempt, m.current_stage) for m in messages] == [(2, "second")]
        assert stored.progress["stage"] == "second"


async def test_a_late_transaction_of_a_dead_attempt_is_refused(settings: Settings) -> None:
    async with _overtaken(settings) as case:

        async def write() -> None:
            async with case.dead.transaction() as db:
                session = await db.get_one(WorkSession, case.run.session_id)
                session.name = "by the dead"

        with pytest.raises(StaleAttemptError):
            await write()
        async with case.alive.transaction() as db:
            session = await db.get_one(WorkSession, case.run.session_id)

            assert session.name == "Harbour Museum"


async def test_a_late_step_of_a_dead_attempt_is_refused_and_the_next_one_s_is_kept(
    settings: Settings,
) -> None:
    async with _overtaken(settings) as case:

        async def work() -> str:
            return "done"

        with pytest.raises(StaleAttemptError):
            await case.dead.step("a", work)
        async with case.runtime.session_factory() as db:
            written = await db.scalar(select(func.count()).select_from(RunStep))

        assert written == 0
        assert await case.alive.step("a", work) == "done"


async def test_a_task_that_a_dead_attempt_starts_late_is_not_started(settings: Settings) -> None:
    async with _overtaken(settings) as case:
        other = await lab.new_session(case.runtime)

        with pytest.raises(StaleAttemptError):
            await case.dead.start("lab", session_id=other)

        async with case.runtime.session_factory() as db:
            runs = await db.scalar(select(func.count()).select_from(TaskRun))
            starts = await db.scalar(select(func.count()).select_from(AuditEntry))
        assert (runs, starts) == (1, 1)


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(summary={"late": True}),
        Failed(error=TemporaryError("late")),
        Cancelled(),
        HandedBack(),
        Parked(reason={"code": "late"}),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
async def test_a_late_end_of_a_dead_attempt_is_refused(
    settings: Settings, outcome: Outcome
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        dead = await lab.claim(runtime, run.id)
        assert dead is not None
        await lab.expire_lease(runtime, run.id)
        await lab.reconciler_of(runtime).reconcile()
        await lab.claim(runtime, run.id)
        before = await lab.run_of(runtime, run.id)

        with pytest.raises(StaleAttemptError):
            await runtime.settler.settle(dead, outcome)

        after = await lab.run_of(runtime, run.id)
        columns = [column.key for column in TaskRun.__table__.columns]
        assert [getattr(after, c) for c in columns] == [getattr(before, c) for c in columns]
        assert await lab.failures_of(runtime, run.id) == []
        assert await lab.messages_of(runtime, f"progress:{run.id}:lab") == []


async def test_the_result_of_a_dead_attempt_does_not_end_the_run(settings: Settings) -> None:
    async with _overtaken(settings) as case:
        case.end_dead.set()
        await asyncio.sleep(0.2)

        left = await lab.run_of(case.runtime, case.run.id)

        assert (left.state, left.attempt, left.result_summary) == (RunState.RUNNING, 2, None)
