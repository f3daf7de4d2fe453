from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from tests.core import lab
from ticketgen import RetryPolicy, TaskContext
from ticketgen.domain import audit
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.run_steps import load_step
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def _notes(runtime: Runtime) -> list[str]:
    async with runtime.session_factory() as db:
        found = await db.scalars(
            select(AuditEntry.action)
            .where(AuditEntry.action.startswith("lab."))
            .order_by(AuditEntry.at)
        )
        return list(found)


async def _overtake(runtime: Runtime, run_id: UUID) -> None:
    async with runtime.session_factory() as db:
        await db.execute(
            update(TaskRun).where(TaskRun.id == run_id).values(attempt=TaskRun.attempt + 1)
        )
        await db.commit()


async def test_a_transaction_commits_what_was_written_in_it(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async with ctx.transaction() as db:
            audit.record(db, "lab.written")
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        assert await _notes(runtime) == ["lab.written"]


async def test_a_transaction_that_raises_leaves_nothing_and_those_before_it_stay(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async with ctx.transaction() as db:
            audit.record(db, "lab.first")
        async with ctx.transaction() as db:
            audit.record(db, "lab.second")
            await db.flush()
            raise ZeroDivisionError

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.FAILED
        assert await _notes(runtime) == ["lab.first"]


async def test_an_attempt_that_was_overtaken_leaves_nothing_behind(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        await _overtake(runtime, ctx.run.id)
        async with ctx.transaction() as db:
            audit.record(db, "lab.stale")
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        left = await run_to_end(runtime, run.id)

        assert await _notes(runtime) == []
        assert (left.state, left.attempt) == (RunState.RUNNING, 2)
        assert await lab.failures_of(runtime, run.id) == []
        assert await lab.messages_of(runtime, f"progress:{run.id}:lab") == []


async def test_an_attempt_that_was_overtaken_starts_nothing(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        await _overtake(runtime, ctx.run.id)
        await ctx.start("lab.other")
        return {}

    tasks = (lab.task(handler=handler), lab.task("lab.other"))
    async with lab.open_lab(settings, *tasks) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        async with runtime.session_factory() as db:
            assert await db.scalar(select(func.count()).select_from(TaskRun)) == 1


async def test_a_remote_call_inside_a_transaction_is_refused(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        with ctx.remote():
            pass
        async with ctx.transaction():
            with ctx.remote():
                raise AssertionError("the call was let through")

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        [failure] = await lab.failures_of(runtime, run.id)
        assert "a transaction is open across a remote call" in str(failure.technical_details)


async def test_a_remote_call_beside_the_transaction_of_another_branch_is_allowed(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        opened, called = asyncio.Event(), asyncio.Event()

        async def write() -> None:
            async with ctx.transaction():
                opened.set()
                await called.wait()

        async def call() -> None:
            await opened.wait()
            try:
                with ctx.remote():
                    pass
            finally:
                called.set()

        await asyncio.gather(write(), call())
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.COMPLETED


async def test_a_step_is_done_once_over_all_attempts(settings: Settings) -> None:
    done: list[str] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async def work(key: str) -> Any:
            done.append(key)
            return (key, 1)

        first = await ctx.step("first", lambda: work("first"))
        if ctx.run.tries == 1:
            raise TemporaryError("Killed between two steps.")
        return {"results": [first, await ctx.step("second", lambda: work("second"))]}

    task = lab.task(handler=handler, retry=RetryPolicy(base=timedelta(0)))
    async with lab.open_lab(settings, task) as runtime:
        run = await lab.start(runtime)
        await run_to_end(runtime, run.id)

        settled = await run_to_end(runtime, run.id)

        assert done == ["first", "second"]
        assert settled.result_summary == {"results": [["first", 1], ["second", 1]]}


async def test_a_step_whose_attempt_was_overtaken_stores_no_result(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async def work() -> str:
            await _overtake(runtime, ctx.run.id)
            return "stale"

        await ctx.step("only", work)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        async with runtime.session_factory() as db:
            assert await load_step(db, lineage_id=run.lineage_id, key="only") is None


async def test_a_handler_starts_another_task_that_is_delivered_at_once(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        started = await ctx.start("lab.other", request=lab.Note(note="from a handler"))
        return {"started": str(started.run.id)}

    tasks = (lab.task(handler=handler), lab.task("lab.other"))
    async with lab.open_lab(settings, *tasks) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.result_summary is not None
        other = UUID(settled.result_summary["started"])
        assert await runtime.redis.zscore("arq:queue", f"lab.other:{other}:1") is not None
        assert (await run_to_end(runtime, other)).result_summary == {
            "note": "from a handler",
            "attempt": 1,
        }


async def test_a_handler_learns_the_time_and_who_it_is(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        now = await ctx.now()
        return {"zone": str(now.tzinfo), "session": str(ctx.session_id), "try": ctx.run.tries}

    async with lab.open_lab(settings, lab.session_task(handler=handler)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)

        settled = await run_to_end(runtime, run.id)

        assert settled.result_summary == {"zone": "UTC", "session": str(session_id), "try": 1}
