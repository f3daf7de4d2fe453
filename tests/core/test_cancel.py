from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen import Exclusivity, RunIdentity, StageMoves, TaskContext
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.errors import NotFoundError, TemporaryError
from ticketgen.outcomes import Failed
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.starting import NotCancellableError
from ticketgen.testing import run_to_end
from ticketgen.testing.driving import working

pytestmark = pytest.mark.services

_STAGES = StageMoves(
    allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_cancel=Stage.SITE_INFO_COLLECTION
)


async def _cancel(runtime: Runtime, run_id: Any) -> TaskRun:
    async with runtime.unit_of_work() as work:
        return await work.cancel(run_id)


async def _cancelled(runtime: Runtime, run_id: Any) -> bool:
    return (await lab.run_of(runtime, run_id)).state is RunState.CANCELLED


@pytest.mark.parametrize("waits", ["queued", "for a retry", "parked"])
async def test_a_run_that_waits_is_cancelled_at_once_and_once_announced(
    settings: Settings, waits: str
) -> None:
    task = lab.session_task(
        stages=_STAGES, handler=lab.raising(TemporaryError("Busy.", retry_after=timedelta(hours=1)))
    )
    async with lab.open_lab(settings, task) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        if waits == "for a retry":
            await run_to_end(runtime, run.id)
        if waits == "parked":
            await lab.change_run(runtime, run.id, state=RunState.PARKED, parked={"code": "x"})

        answered = await _cancel(runtime, run.id)
        again = await _cancel(runtime, run.id)
        after = await run_to_end(runtime, run.id)

        [message] = await lab.messages_of(runtime, f"progress:{session_id}:lab")
        assert (answered.state, again.state) == (RunState.CANCELLED, RunState.CANCELLED)
        assert (after.state, after.parked) == (RunState.CANCELLED, None)
        assert after.announced_at is not None
        assert message.type == "cancelled"
        assert await lab.stage_of(runtime, session_id) is Stage.SITE_INFO_COLLECTION


async def test_a_running_run_is_cancelled(settings: Settings) -> None:
    gate = lab.Gate()
    task = lab.session_task(handler=gate.handler, stages=_STAGES)
    async with lab.open_lab(settings, task) as runtime, working(runtime) as runner:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        work = asyncio.create_task(runner.run(run.id))
        await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)

        answered = await _cancel(runtime, run.id)
        await asyncio.wait_for(work, lab.PATIENCE)

        settled = await lab.run_of(runtime, run.id)
        [attempt] = await lab.attempts_of(runtime, run.id)
        [message] = await lab.messages_of(runtime, f"progress:{session_id}:lab")
        assert (answered.state, answered.cancel_requested_at is not None) == (
            RunState.RUNNING,
            True,
        )
        assert gate.stopped.is_set()
        assert (settled.state, settled.error) == (RunState.CANCELLED, None)
        assert (attempt.outcome, message.type) == (AttemptOutcome.CANCELLED, "cancelled")
        assert await lab.stage_of(runtime, session_id) is Stage.SITE_INFO_COLLECTION
        assert await lab.failures_of(runtime, run.id) == []


def test_a_worker_asks_every_second_whether_a_run_is_to_be_cancelled() -> None:
    assert Settings.model_fields["cancel_interval"].default == timedelta(seconds=1)


async def test_asking_twice_changes_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)

        first = await _cancel(runtime, run.id)
        second = await _cancel(runtime, run.id)

        assert first.cancel_requested_at is not None
        assert second.cancel_requested_at == first.cancel_requested_at


async def test_what_has_ended_cannot_be_cancelled(settings: Settings) -> None:
    task = lab.task("lab.bad", handler=lab.raising(ValueError("no")))
    async with lab.open_lab(settings, lab.task(), task) as runtime:
        done, failed = await lab.start(runtime), await lab.start(runtime, "lab.bad")
        await run_to_end(runtime, done.id)
        await run_to_end(runtime, failed.id)

        with pytest.raises(NotCancellableError, match="has completed"):
            await _cancel(runtime, done.id)
        with pytest.raises(NotCancellableError, match="has failed"):
            await _cancel(runtime, failed.id)
        with pytest.raises(NotFoundError):
            await _cancel(runtime, uuid7())


async def _work_until_stopped(runtime: Runtime, run: TaskRun, gate: lab.Gate) -> TaskRun:
    """Run it, ask for its end once it has begun, and wait until it is settled."""
    async with working(runtime) as runner:
        work = asyncio.create_task(runner.run(run.id))
        await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)
        await _cancel(runtime, run.id)
        await asyncio.wait_for(work, lab.PATIENCE)
    return await lab.run_of(runtime, run.id)


def _hasty(settings: Settings) -> Settings:
    return settings.model_copy(update={"cancel_interval": timedelta(seconds=0.1)})


async def test_a_result_that_comes_in_spite_of_the_cancel_counts(settings: Settings) -> None:
    gate = lab.Gate()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        with contextlib.suppress(asyncio.CancelledError):
            await gate.handler(ctx, payload)
        return {"done": "all the same"}

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)

        assert settled.state is RunState.COMPLETED
        assert settled.result_summary == {"done": "all the same"}


async def test_what_a_cancelled_handler_raises_instead_does_not_count(settings: Settings) -> None:
    gate = lab.Gate()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        try:
            return await gate.handler(ctx, payload)
        finally:
            raise ValueError("from the cleaning up")

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)

        assert (settled.state, settled.error) == (RunState.CANCELLED, None)
        assert await lab.failures_of(runtime, run.id) == []


async def test_a_finally_block_runs_to_its_end_although_it_takes_its_time(
    settings: Settings,
) -> None:
    gate = lab.Gate()
    steps: list[str] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        try:
            return await gate.handler(ctx, payload)
        finally:
            steps.append("begun")
            await asyncio.sleep(0.5)  # the cancellation is looked for again meanwhile
            async with ctx.transaction():
                steps.append("ended")

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)

        assert settled.state is RunState.CANCELLED
        assert steps == ["begun", "ended"]


async def test_a_handler_that_does_not_hear_the_first_time_is_told_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.runner._UNWIND_SECONDS", 10 * lab.PATIENCE)
    monkeypatch.setattr("ticketgen.runner._ASK_AGAIN_SECONDS", 0.1)
    gate = lab.Gate()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        with contextlib.suppress(asyncio.CancelledError):
            await gate.handler(ctx, payload)
        return await gate.handler(ctx, payload)

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)

        assert settled.state is RunState.CANCELLED
        assert len(gate.contexts) == 2


async def test_a_handler_that_will_not_end_is_left_behind_and_can_write_no_more(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.runner._UNWIND_SECONDS", 0.6)
    monkeypatch.setattr("ticketgen.runner._ASK_AGAIN_SECONDS", 0.2)
    gate = lab.Gate()
    refused = asyncio.Event()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        while not gate.go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await gate.handler(ctx, payload)
        try:
            async with ctx.transaction():
                return {"written": True}
        except StaleAttemptError:
            refused.set()
            raise

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)
        gate.go_on.set()
        await asyncio.wait_for(refused.wait(), lab.PATIENCE)

        assert settled.state is RunState.CANCELLED
        assert (await lab.run_of(runtime, run.id)).result_summary is None


async def test_a_run_that_fails_for_now_while_its_end_is_asked_for_is_not_tried_again(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        claimed = await lab.claim(runtime, run.id)
        assert claimed is not None
        await _cancel(runtime, run.id)

        settled = await runtime.settler.settle(claimed, Failed(error=TemporaryError("Busy.")))

        assert (settled.state, settled.delivery) == (RunState.CANCELLED, 1)
        assert await lab.failures_of(runtime, run.id) == []


async def test_a_cancel_and_a_requeue_at_the_same_moment_end_in_a_cancelled_run(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        for _ in range(10):
            run = await lab.start(runtime)
            claimed = await lab.claim(runtime, run.id)
            assert claimed is not None

            await asyncio.gather(
                _cancel(runtime, run.id),
                runtime.settler.settle(claimed, Failed(error=TemporaryError("Busy."))),
            )

            assert await _cancelled(runtime, run.id)


async def test_a_cancel_and_a_claim_at_the_same_moment_leave_no_run_that_goes_on(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        for _ in range(10):
            run = await lab.start(runtime)

            await asyncio.gather(_cancel(runtime, run.id), lab.claim(runtime, run.id))

            left = await lab.run_of(runtime, run.id)
            assert left.cancel_requested_at is not None
            assert left.state in {RunState.CANCELLED, RunState.RUNNING}


async def test_partial_results_are_discarded_as_the_task_declares(settings: Settings) -> None:
    gate = lab.Gate()
    discarded: list[RunIdentity] = []

    async def discard(db: AsyncSession, run: RunIdentity) -> None:
        discarded.append(run)

    task = lab.task(handler=gate.handler, discard=discard)
    async with lab.open_lab(_hasty(settings), task) as runtime:
        run = await lab.start(runtime)
        await _work_until_stopped(runtime, run, gate)
        waiting = await lab.start(runtime)
        await _cancel(runtime, waiting.id)

        assert [(identity.id, identity.attempt) for identity in discarded] == [
            (run.id, 1),
            (waiting.id, 0),
        ]


async def test_a_discard_that_fails_takes_back_what_it_did_and_cancels_all_the_same(
    settings: Settings,
) -> None:
    gate = lab.Gate()

    async def discard(db: AsyncSession, run: RunIdentity) -> None:
        found = await db.get_one(TaskRun, run.id)
        found.progress = {"stage": "half discarded"}
        await db.flush()
        raise ValueError("no")

    task = lab.task(handler=gate.handler, discard=discard)
    async with lab.open_lab(_hasty(settings), task) as runtime:
        run = await lab.start(runtime)

        settled = await _work_until_stopped(runtime, run, gate)

        assert settled.state is RunState.CANCELLED
        assert settled.progress == {}


async def test_steps_of_a_cancelled_run_are_kept_where_the_task_discards_nothing(
    settings: Settings,
) -> None:
    gate = lab.Gate()
    done: list[str] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async def work() -> str:
            done.append("once")
            return "kept"

        await ctx.step("a", work)
        return await gate.handler(ctx, payload)

    async with lab.open_lab(_hasty(settings), lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        await _work_until_stopped(runtime, run, gate)
        gate.go_on.set()
        async with runtime.unit_of_work() as work:
            again = (await work.retry(run.id)).run

        completed = await run_to_end(runtime, again.id)

        assert completed.state is RunState.COMPLETED
        assert done == ["once"]
