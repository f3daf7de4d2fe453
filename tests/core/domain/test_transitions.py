from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen.domain import transitions
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import POISON_BOUND, StaleAttemptError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


async def _requeue(
    runtime: Runtime, run: TaskRun, outcome: AttemptOutcome, *, delay: timedelta = timedelta(0)
) -> TaskRun:
    async with runtime.session_factory() as db:
        queued = await transitions.requeue_run(
            db, run.id, run.attempt, outcome=outcome, delay=delay
        )
        await db.commit()
    return queued


async def test_of_ten_claims_at_once_one_gets_the_run(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        claims = await asyncio.gather(*(lab.claim(runtime, run.id) for _ in range(10)))

        [won] = [claim for claim in claims if claim is not None]
        assert (won.state, won.attempt, won.tries) == (RunState.RUNNING, 1, 1)


async def test_a_claim_waits_for_an_open_one_and_then_finds_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        async with runtime.session_factory() as first:
            won = await transitions.claim_run(
                first, run.id, worker_id=uuid7(), worker="lab:1", lease=settings.lease
            )
            second = asyncio.create_task(lab.claim(runtime, run.id))
            await asyncio.sleep(0.1)
            waited = not second.done()
            await first.commit()

        lost = await second

        assert won is not None
        assert waited
        assert lost is None


async def test_only_a_run_that_is_queued_and_due_can_be_claimed(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        claimed = await lab.claim(runtime, run.id)
        assert claimed is not None

        while_running = await lab.claim(runtime, run.id)
        await _requeue(runtime, claimed, AttemptOutcome.RETRIED, delay=timedelta(hours=1))
        too_early = await lab.claim(runtime, run.id)
        unknown = await lab.claim(runtime, uuid7())

        assert (while_running, too_early, unknown) == (None, None, None)


@pytest.mark.parametrize(
    ("outcome", "tries", "rescues"),
    [
        (AttemptOutcome.RETRIED, 2, 0),
        (AttemptOutcome.HANDED_BACK, 1, 0),
        (AttemptOutcome.LOST, 1, 1),
    ],
)
async def test_every_claim_is_a_new_attempt_but_only_a_failure_makes_it_a_new_try(
    settings: Settings, outcome: AttemptOutcome, tries: int, rescues: int
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        first = await lab.claim(runtime, run.id)
        assert first is not None
        queued = await _requeue(runtime, first, outcome)

        second = await lab.claim(runtime, run.id)

        assert second is not None
        assert (second.attempt, second.tries, second.rescues) == (2, tries, rescues)
        assert queued.delivery == 2


async def test_a_run_whose_next_death_would_prove_it_poison_can_only_be_claimed_alone(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, rescues=POISON_BOUND - 1)

        beside_others = await lab.claim(runtime, run.id)
        alone = await lab.claim(runtime, run.id, alone=True)

        assert beside_others is None
        assert alone is not None
        assert [attempt.alone for attempt in await lab.attempts_of(runtime, run.id)] == [True]


async def test_an_attempt_that_was_overtaken_can_settle_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        first = await lab.claim(runtime, run.id)
        assert first is not None
        await _requeue(runtime, first, AttemptOutcome.LOST)
        await lab.claim(runtime, run.id)
        overtaken = (run.id, first.attempt)

        async with runtime.session_factory() as db:
            for write in (
                transitions.complete_run(db, *overtaken, result_summary={}),
                transitions.fail_run(db, *overtaken, error={}),
                transitions.cancel_run(db, *overtaken),
                transitions.park_run(db, *overtaken, reason={}),
                transitions.requeue_run(db, *overtaken, outcome=AttemptOutcome.RETRIED),
                transitions.hold_attempt(db, *overtaken),
            ):
                with pytest.raises(StaleAttemptError):
                    await write
            await db.commit()

        left = await lab.run_of(runtime, run.id)
        assert (left.state, left.attempt, left.tries) == (RunState.RUNNING, 2, 1)


async def test_a_settled_run_can_be_settled_no_second_time(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)

        async with runtime.session_factory() as db:
            await transitions.complete_run(db, run.id, 1, result_summary={"n": 1})
            with pytest.raises(StaleAttemptError):
                await transitions.fail_run(db, run.id, 1, error={})
            await db.commit()

        assert (await lab.run_of(runtime, run.id)).result_summary == {"n": 1}
