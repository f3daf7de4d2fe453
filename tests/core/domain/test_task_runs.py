from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen.database import database_time
from ticketgen.domain import redelivery, run_steps, schedule_fires, task_runs, workers
from ticketgen.domain.task_runs import RunState, StaleAttemptError, TaskRun
from ticketgen.errors import NotFoundError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


async def _claim(runtime: Runtime, run_id: UUID) -> TaskRun | None:
    async with runtime.session_factory() as db:
        run = await task_runs.claim_run(db, run_id, worker_id=uuid7())
        await db.commit()
    return run


async def _requeue(runtime: Runtime, run: TaskRun, *, delay: timedelta, spend_try: bool) -> TaskRun:
    async with runtime.session_factory() as db:
        queued = await task_runs.requeue_run(
            db, run.id, run.attempt, delay=delay, spend_try=spend_try
        )
        await db.commit()
    return queued


async def test_of_ten_claims_at_once_one_gets_the_run(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        claims = await asyncio.gather(*(_claim(runtime, run.id) for _ in range(10)))

        [won] = [claim for claim in claims if claim is not None]
        assert (won.state, won.attempt, won.tries) == (RunState.RUNNING, 1, 1)


async def test_a_claim_waits_for_an_open_one_and_then_finds_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        async with runtime.session_factory() as first:
            won = await task_runs.claim_run(first, run.id, worker_id=uuid7())
            second = asyncio.create_task(_claim(runtime, run.id))
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
        claimed = await _claim(runtime, run.id)
        assert claimed is not None

        assert await _claim(runtime, run.id) is None
        await _requeue(runtime, claimed, delay=timedelta(hours=1), spend_try=True)
        assert await _claim(runtime, run.id) is None
        assert await _claim(runtime, uuid7()) is None


@pytest.mark.parametrize(("spend_try", "tries"), [(True, 2), (False, 1)])
async def test_every_claim_is_a_new_attempt_but_not_always_a_new_try(
    settings: Settings, spend_try: bool, tries: int
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        first = await _claim(runtime, run.id)
        assert first is not None
        queued = await _requeue(runtime, first, delay=timedelta(0), spend_try=spend_try)

        second = await _claim(runtime, run.id)

        assert second is not None
        assert (second.attempt, second.tries) == (2, tries)
        assert queued.delivery == 2


async def test_an_attempt_that_was_overtaken_can_settle_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        first = await _claim(runtime, run.id)
        assert first is not None
        await _requeue(runtime, first, delay=timedelta(0), spend_try=False)
        await _claim(runtime, run.id)

        async with runtime.session_factory() as db:
            with pytest.raises(StaleAttemptError):
                await task_runs.complete_run(db, run.id, first.attempt, result_summary={})
            with pytest.raises(StaleAttemptError):
                await task_runs.fail_run(db, run.id, first.attempt, error={})
            with pytest.raises(StaleAttemptError):
                await task_runs.hold_attempt(db, run.id, first.attempt)

        assert (await lab.run_of(runtime, run.id)).state is RunState.RUNNING


async def test_a_settled_run_can_be_settled_no_second_time(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await _claim(runtime, run.id)

        async with runtime.session_factory() as db:
            await task_runs.complete_run(db, run.id, 1, result_summary={"n": 1})
            with pytest.raises(StaleAttemptError):
                await task_runs.fail_run(db, run.id, 1, error={})
            await db.commit()

        assert (await lab.run_of(runtime, run.id)).result_summary == {"n": 1}


async def test_a_rescue_waits_for_an_attempt_that_is_just_committing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await _claim(runtime, run.id)

        async def rescue() -> list[TaskRun]:
            async with runtime.session_factory() as db:
                found = await redelivery.requeue_runs_of_dead_workers(db, live_workers=[])
                await db.commit()
            return found

        async with runtime.session_factory() as db:
            await task_runs.complete_run(db, run.id, 1, result_summary={})
            rescuing = asyncio.create_task(rescue())
            await asyncio.sleep(0.1)
            await db.commit()

        assert await rescuing == []
        assert (await lab.run_of(runtime, run.id)).state is RunState.COMPLETED


async def test_runs_of_dead_workers_are_queued_again_and_spend_no_try(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        dead, alive = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        living = uuid7()
        async with runtime.session_factory() as db:
            await task_runs.claim_run(db, dead.id, worker_id=uuid7())
            await task_runs.claim_run(db, alive.id, worker_id=living)
            await db.commit()

        async with runtime.session_factory() as db:
            found = await redelivery.requeue_runs_of_dead_workers(db, live_workers=[living])
            await db.commit()

        assert [run.id for run in found] == [dead.id]
        rescued = await lab.run_of(runtime, dead.id)
        assert (rescued.state, rescued.tries, rescued.rescues) == (RunState.QUEUED, 0, 1)
        assert (rescued.delivery, rescued.worker_id) == (2, None)
        assert (await lab.run_of(runtime, alive.id)).state is RunState.RUNNING


async def test_runs_nobody_here_knows_do_not_fill_the_list_of_undelivered_ones(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        await lab.start(runtime, "lab.a")
        known = await lab.start(runtime, "lab.b")

        async with runtime.session_factory() as db:
            found = await redelivery.undelivered_runs(
                db, task_types=["lab.b"], overdue=timedelta(0), limit=1
            )
            early = await redelivery.undelivered_runs(
                db, task_types=["lab.b"], overdue=timedelta(minutes=1)
            )

        assert [run.id for run in found] == [known.id]
        assert early == []


async def test_one_lost_delivery_is_made_good_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        async with runtime.session_factory() as db:
            first = await redelivery.next_delivery(db, run.id, after=1)
            second = await redelivery.next_delivery(db, run.id, after=1)
            await db.commit()

        assert (first, second) == (2, None)


async def test_a_run_that_is_not_there_is_not_found(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime, runtime.session_factory() as db:
        with pytest.raises(NotFoundError, match="There is no run"):
            await task_runs.get_run(db, uuid7())


async def test_runs_are_listed_newest_first(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.session_task("lab.a"), lab.task("lab.b")) as runtime:
        session_id = await lab.new_session(runtime)
        first = await lab.start(runtime, "lab.a", session_id=session_id)
        second = await lab.start(runtime, "lab.b")

        async with runtime.session_factory() as db:
            everything = await task_runs.list_runs(db)
            of_session = await task_runs.list_runs(db, session_id=session_id)

        assert [run.id for run in everything] == [second.id, first.id]
        assert [run.id for run in of_session] == [first.id]


async def test_a_step_is_kept_under_its_lineage_even_if_its_result_is_nothing(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        async with runtime.session_factory() as db:
            missing = await run_steps.load_step(db, lineage_id=run.lineage_id, key="a")
            await run_steps.save_step(db, lineage_id=run.lineage_id, key="a", value=None)
            stored = await run_steps.load_step(db, lineage_id=run.lineage_id, key="a")

        assert missing is None
        assert stored == {"value": None}


async def test_a_fire_time_is_claimed_once_over_callers_at_the_same_moment(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        async with runtime.session_factory() as db:
            minute = (await database_time(db)).replace(second=0, microsecond=0)

        async def claim() -> UUID | None:
            async with runtime.session_factory() as db:
                fire_id = await schedule_fires.record_fire(
                    db, schedule="lab.daily", fire_time=minute
                )
                await db.commit()
            return fire_id

        claims = await asyncio.gather(*(claim() for _ in range(8)))

        assert sum(fire_id is not None for fire_id in claims) == 1


async def test_a_worker_lives_as_long_as_it_says_so(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime, runtime.session_factory() as db:
        silent, speaking = uuid7(), uuid7()
        for worker_id in (silent, speaking):
            await workers.say_alive(
                db,
                worker_id=worker_id,
                host="h",
                pid=1,
                version="1",
                task_types=["lab"],
                max_jobs=2,
                running=0,
            )
        row = await db.scalar(
            select(workers.WorkerProcess).where(workers.WorkerProcess.id == silent)
        )
        assert row is not None
        row.last_seen_at -= timedelta(seconds=31)
        await db.flush()

        live = await workers.list_live_workers(db, expiry=timedelta(seconds=30))
        await workers.forget_worker(db, speaking)
        left = await workers.list_live_workers(db, expiry=timedelta(seconds=30))

        assert [worker.id for worker in live] == [speaking]
        assert left == []
