from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest

from tests.core import lab
from ticketgen import RetryPolicy, TaskContext
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.errors import InvalidInputError, TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def _history(runtime: Runtime, run_id: Any) -> list[tuple[int, AttemptOutcome | None]]:
    return [(item.attempt, item.outcome) for item in await lab.attempts_of(runtime, run_id)]


def _code(attempt: RunAttempt) -> str | None:
    return attempt.error["code"] if attempt.error else None


async def test_every_try_is_in_the_history_with_its_failure_and_its_worker(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        if ctx.run.tries < 3:
            raise TemporaryError(f"Busy {ctx.run.tries}.")
        return {}

    task = lab.task(handler=handler, retry=RetryPolicy(base=timedelta(0)))
    async with lab.open_lab(settings, task) as runtime:
        run = await lab.start(runtime)
        for _ in range(3):
            await lab.run_alone(runtime, run.id)

        attempts = await lab.attempts_of(runtime, run.id)

        assert [(item.attempt, item.outcome) for item in attempts] == [
            (1, AttemptOutcome.RETRIED),
            (2, AttemptOutcome.RETRIED),
            (3, AttemptOutcome.COMPLETED),
        ]
        assert [_code(item) for item in attempts] == ["temporary", "temporary", None]
        assert attempts[1].error is not None
        assert attempts[1].error["user_message"] == "Busy 2."
        assert {item.worker for item in attempts} == {"lab:1"}
        for item in attempts:
            assert item.ended_at is not None
            assert item.started_at <= item.ended_at


async def test_a_failure_ends_the_history(settings: Settings) -> None:
    handler = lab.raising(InvalidInputError("Wrong."))
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        failed = await run_to_end(runtime, run.id)

        [attempt] = await lab.attempts_of(runtime, run.id)

        assert attempt.outcome is AttemptOutcome.FAILED
        assert attempt.error == failed.error


async def test_a_hand_back_a_loss_and_a_parking_are_told_apart(settings: Settings) -> None:
    gate = lab.Gate()
    async with lab.open_lab(settings, lab.task(handler=gate.handler)) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
        await lab.lose(runtime, run.id)
        await lab.change_run(runtime, run.id, payload={"note": 3})
        await run_to_end(runtime, run.id)

        history = await _history(runtime, run.id)

        assert history == [
            (1, AttemptOutcome.HANDED_BACK),
            (2, AttemptOutcome.LOST),
            (3, AttemptOutcome.PARKED),
        ]


async def test_an_attempt_that_is_at_work_is_open(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        claimed = await lab.claim(runtime, run.id)
        assert claimed is not None

        [attempt] = await lab.attempts_of(runtime, run.id)

        assert (attempt.ended_at, attempt.outcome, attempt.worker) == (None, None, "lab:2")
        assert attempt.lease_expires_at - attempt.started_at == pytest.approx(
            settings.lease, abs=timedelta(seconds=1)
        )


async def test_a_cancel_is_in_the_history_only_of_a_run_that_had_begun(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        begun, waiting = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        await lab.claim(runtime, begun.id)
        for run in (begun, waiting):
            async with runtime.unit_of_work() as work:
                await work.cancel(run.id)
        await lab.expire_lease(runtime, begun.id)
        await lab.reconciler_of(runtime).reconcile()

        assert await _history(runtime, begun.id) == [(1, AttemptOutcome.LOST)]
        assert await _history(runtime, waiting.id) == []
