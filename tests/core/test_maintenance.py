from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen.domain import task_runs, workers
from ticketgen.domain.task_runs import RunState
from ticketgen.maintenance import _RECONCILE_LOCK, Heartbeat, Reconciler, repeating
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of, run_to_end


@pytest.fixture(autouse=True)
def _overdue_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))


def _reconciler(runtime: Runtime) -> Reconciler:
    return Reconciler(
        session_factory=runtime.session_factory,
        queue=runtime.queue,
        registry=runtime.registry,
        settings=runtime.settings,
    )


def _heartbeat(runtime: Runtime, worker_id: UUID) -> Heartbeat:
    return Heartbeat(
        worker_id=worker_id,
        session_factory=runtime.session_factory,
        redis=runtime.redis,
        settings=runtime.settings,
        task_types=("lab",),
        max_jobs=2,
        held=lambda: {uuid7()},
    )


async def _queued(runtime: Runtime) -> list[str]:
    return [job.decode() for job in await runtime.redis.zrange("arq:queue", 0, -1)]


@pytest.mark.services
async def test_a_run_the_queue_never_heard_of_is_pushed_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()

        await _reconciler(runtime).reconcile()
        await _reconciler(runtime).reconcile()

        assert await _queued(runtime) == [f"lab:{run.id}:2"]


@pytest.mark.services
async def test_what_the_queue_has_is_not_pushed(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        await _reconciler(runtime).reconcile()

        assert await _queued(runtime) == [f"lab:{run.id}:1"]
        assert (await lab.run_of(runtime, run.id)).delivery == 1


@pytest.mark.services
async def test_a_run_whose_job_hangs_in_arq_s_claim_is_pushed_again(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.set(f"arq:in-progress:lab:{run.id}:1", "1")

        await _reconciler(runtime).reconcile()

        assert await _queued(runtime) == [f"lab:{run.id}:1", f"lab:{run.id}:2"]
        assert (await run_to_end(runtime, run.id)).state is RunState.COMPLETED


@pytest.mark.services
async def test_a_run_that_is_not_due_is_not_pushed(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, available_at=run.created_at + timedelta(hours=1))
        await runtime.redis.flushall()

        await _reconciler(runtime).reconcile()

        assert await _queued(runtime) == []


@pytest.mark.services
async def test_the_run_of_a_dead_worker_runs_again_and_its_dead_attempt_counts_no_more(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        async with runtime.session_factory() as db:
            await task_runs.claim_run(db, run.id, worker_id=uuid7())
            await db.commit()

        await _reconciler(runtime).reconcile()

        rescued = await lab.run_of(runtime, run.id)
        async with runtime.session_factory() as db:
            with pytest.raises(task_runs.StaleAttemptError):
                await task_runs.hold_attempt(db, run.id, 1)
        again = await run_to_end(runtime, run.id)
        assert (rescued.state, rescued.tries, rescued.rescues) == (RunState.QUEUED, 0, 1)
        assert f"lab:{run.id}:{rescued.delivery}" in await _queued(runtime)
        assert (again.state, again.attempt, again.tries) == (RunState.COMPLETED, 2, 1)


@pytest.mark.services
async def test_the_run_of_a_live_worker_is_left_to_it(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        worker_id = uuid7()
        await _heartbeat(runtime, worker_id).beat()
        async with runtime.session_factory() as db:
            await task_runs.claim_run(db, run.id, worker_id=worker_id)
            await db.commit()

        await _reconciler(runtime).reconcile()
        before = (await lab.run_of(runtime, run.id)).state
        await _heartbeat(runtime, worker_id).stop()
        await _reconciler(runtime).reconcile()

        assert before is RunState.RUNNING
        assert (await lab.run_of(runtime, run.id)).state is RunState.QUEUED


@pytest.mark.services
async def test_while_another_process_reconciles_this_one_does_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        await lab.start(runtime)
        await runtime.redis.flushall()
        async with runtime.session_factory() as db:
            await db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _RECONCILE_LOCK})

            await _reconciler(runtime).reconcile()
            meanwhile = await _queued(runtime)

        await _reconciler(runtime).reconcile()
        assert meanwhile == []
        assert len(await _queued(runtime)) == 1


@pytest.mark.services
async def test_reconcilers_at_the_same_moment_push_a_lost_run_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()

        await asyncio.gather(*(_reconciler(runtime).reconcile() for _ in range(8)))

        assert await _queued(runtime) == [f"lab:{run.id}:2"]


@pytest.mark.services
async def test_a_run_of_a_task_nobody_here_knows_is_left_alone(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()
        stranger = Reconciler(
            session_factory=runtime.session_factory,
            queue=runtime.queue,
            registry=registry_of(settings),
            settings=settings,
        )

        await stranger.reconcile()

        assert await _queued(runtime) == []
        assert (await lab.run_of(runtime, run.id)).delivery == 1


@pytest.mark.services
async def test_a_heartbeat_is_in_postgres_and_in_redis(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        heartbeat = _heartbeat(runtime, uuid7())

        await heartbeat.beat()
        await heartbeat.beat()

        async with runtime.session_factory() as db:
            [worker] = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
        assert (worker.id, worker.task_types) == (heartbeat.worker_id, ["lab"])
        assert (worker.max_jobs, worker.running) == (2, 1)
        assert 0 < await runtime.redis.ttl("worker:last_heartbeat") <= 30


async def test_a_loop_outlives_the_failures_of_what_it_does() -> None:
    calls: list[int] = []
    often = asyncio.Event()

    async def act() -> None:
        calls.append(1)
        if len(calls) == 4:
            often.set()
        raise OSError if len(calls) == 1 else ValueError

    async with repeating(act, every=timedelta(milliseconds=1), name="test"):
        async with asyncio.timeout(5):
            await often.wait()
    ended_at = len(calls)
    await asyncio.sleep(0.02)

    assert len(calls) == ended_at


@pytest.mark.services
async def test_after_a_gap_the_living_get_time_to_speak_before_anybody_counts_as_dead(
    settings: Settings,
) -> None:
    beat = timedelta(seconds=0.2)
    settings = settings.model_copy(
        update={"heartbeat_interval": beat, "heartbeat_expiry": beat * 2}
    )
    async with lab.open_lab(settings) as runtime:
        worker_id = uuid7()
        run = await lab.start(runtime)
        await _heartbeat(runtime, worker_id).beat()
        async with runtime.session_factory() as db:
            await task_runs.claim_run(db, run.id, worker_id=worker_id)
            await db.commit()
        reconciler = _reconciler(runtime)
        await reconciler.reconcile()

        await asyncio.sleep(0.6)
        await reconciler.reconcile()
        after_gap = await lab.run_of(runtime, run.id)
        for _ in range(6):
            await asyncio.sleep(0.1)
            await reconciler.reconcile()
        at_last = await lab.run_of(runtime, run.id)

        assert after_gap.state is RunState.RUNNING
        assert (at_last.state, at_last.rescues) == (RunState.QUEUED, 1)


@pytest.mark.services
async def test_a_run_that_is_ours_by_its_row_but_not_in_our_hands_is_given_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.domain.redelivery._CLAIM_MARGIN", timedelta(0))
    async with lab.open_lab(settings) as runtime:
        worker_id = uuid7()
        run = await lab.start(runtime)
        async with runtime.session_factory() as db:
            await task_runs.claim_run(db, run.id, worker_id=worker_id)
            await db.commit()

        await _heartbeat(runtime, worker_id).beat()

        dropped = await lab.run_of(runtime, run.id)
        assert (dropped.state, dropped.tries, dropped.rescues) == (RunState.QUEUED, 0, 1)
