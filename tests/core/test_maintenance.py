from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.core import lab
from ticketgen import Exclusivity
from ticketgen.database import passes_by_itself
from ticketgen.domain import redelivery, task_runs, workers
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.maintenance import _RECONCILE_LOCK, Reconciler, repeating
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of, run_to_end


@pytest.fixture(autouse=True)
def _overdue_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))


@pytest.mark.services
async def test_a_run_the_queue_never_heard_of_is_pushed_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()

        await lab.reconciler_of(runtime).reconcile()
        await lab.reconciler_of(runtime).reconcile()

        assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:2"]


@pytest.mark.services
async def test_what_the_queue_has_is_not_pushed(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        await lab.reconciler_of(runtime).reconcile()

        assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:1"]
        assert (await lab.run_of(runtime, run.id)).delivery == 1


@pytest.mark.services
async def test_a_run_whose_job_hangs_in_arq_s_claim_is_pushed_again(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.set(f"arq:in-progress:lab:{run.id}:1", "1")

        await lab.reconciler_of(runtime).reconcile()

        assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:1", f"lab:{run.id}:2"]
        assert (await run_to_end(runtime, run.id)).state is RunState.COMPLETED


@pytest.mark.services
async def test_a_run_that_is_not_due_is_not_pushed(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, available_at=run.created_at + timedelta(hours=1))
        await runtime.redis.flushall()

        await lab.reconciler_of(runtime).reconcile()

        assert await lab.queued_jobs(runtime) == []


@pytest.mark.services
async def test_while_another_process_reconciles_this_one_does_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        await lab.start(runtime)
        await runtime.redis.flushall()
        async with runtime.session_factory() as db:
            await db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _RECONCILE_LOCK})

            await lab.reconciler_of(runtime).reconcile()
            meanwhile = await lab.queued_jobs(runtime)

        await lab.reconciler_of(runtime).reconcile()
        assert meanwhile == []
        assert len(await lab.queued_jobs(runtime)) == 1


@pytest.mark.services
async def test_reconcilers_at_the_same_moment_push_a_lost_run_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()

        await asyncio.gather(*(lab.reconciler_of(runtime).reconcile() for _ in range(8)))

        assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:2"]


@pytest.mark.services
async def test_a_run_of_a_task_nobody_here_knows_is_left_to_those_who_do(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()
        async with open_runtime(settings, registry=registry_of(settings)) as stranger:
            await Reconciler(settler=stranger.settler).reconcile()

        assert await lab.queued_jobs(runtime) == []
        assert (await lab.run_of(runtime, run.id)).delivery == 1


@pytest.mark.services
async def test_workers_silent_for_a_day_are_forgotten(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        old, fresh = await lab.say_alive(runtime, "lab"), await lab.say_alive(runtime, "lab")
        async with runtime.session_factory() as db:
            worker = await db.get_one(workers.WorkerProcess, old)
            worker.last_seen_at -= timedelta(days=1, seconds=1)
            await db.commit()

        await lab.reconciler_of(runtime).reconcile()

        async with runtime.session_factory() as db:
            assert await db.get(workers.WorkerProcess, old) is None
            assert await db.get(workers.WorkerProcess, fresh) is not None


async def test_a_loop_outlives_the_failures_of_what_it_does() -> None:
    calls: list[int] = []
    often = asyncio.Event()

    async def act() -> None:
        calls.append(1)
        if len(calls) == 4:
            often.set()
        raise OSError if len(calls) == 1 else ValueError

    async with repeating(act, every=timedelta(milliseconds=1), name="test"):
        async with asyncio.timeout(lab.PATIENCE):
            await often.wait()
    ended_at = len(calls)
    await asyncio.sleep(0.02)

    assert len(calls) == ended_at


@pytest.mark.services
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


@pytest.mark.services
async def test_what_fails_in_a_look_keeps_nothing_else_from_being_done(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> list[TaskRun]:
        raise LookupError("the list of unserved runs")

    monkeypatch.setattr("ticketgen.domain.redelivery.parkable_runs", fail)
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await runtime.redis.flushall()

        with pytest.raises(LookupError):
            await lab.reconciler_of(runtime).reconcile()

        assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:2"]


async def test_one_lost_delivery_is_made_good_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        async with runtime.session_factory() as db:
            first = await redelivery.next_delivery(db, run.id, after=1)
            second = await redelivery.next_delivery(db, run.id, after=1)
            await db.commit()

        assert (first, second) == (2, None)


@pytest.mark.services
async def test_a_lease_that_a_frozen_worker_keeps_locked_holds_nobody_up(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        first, second = await lab.start(runtime), await lab.start(runtime)
        for run in (first, second):
            await lab.claim(runtime, run.id)
            await lab.expire_lease(runtime, run.id)
        async with runtime.session_factory() as frozen:
            await frozen.execute(
                text("UPDATE run_attempts SET worker = worker WHERE run_id = :run"),
                {"run": first.id},
            )

            async with asyncio.timeout(lab.PATIENCE):
                await lab.reconciler_of(runtime).reconcile()

            assert (await lab.run_of(runtime, first.id)).state is RunState.RUNNING
            assert (await lab.run_of(runtime, second.id)).state is RunState.QUEUED
        await lab.reconciler_of(runtime).reconcile()
        assert (await lab.run_of(runtime, first.id)).state is RunState.QUEUED


@pytest.mark.services
async def test_what_a_frozen_process_has_locked_is_free_before_its_leases_run_out(
    settings: Settings,
) -> None:
    brief = settings.model_copy(update={"lease_patience": timedelta(seconds=0.5)})
    async with lab.open_lab(brief) as runtime, open_runtime(brief) as other:
        run = await lab.start(runtime)
        async with other.session_factory() as frozen:
            await task_runs.lock_run(frozen, run.id)
            await asyncio.sleep(0.7)

            async with runtime.session_factory() as db:
                free = await task_runs.lock_run(db, run.id, unless_locked=True)
            with pytest.raises(DBAPIError) as ended:
                await frozen.commit()
        assert free is not None
        assert passes_by_itself(ended.value)


@pytest.mark.services
async def test_a_reconciler_that_looks_more_rarely_than_leases_are_renewed_rescues_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = lab.clock_of_looks(monkeypatch)
    rare = settings.model_copy(update={"reconcile_interval": 2 * settings.lease_renewal})
    async with lab.open_lab(rare) as runtime:
        run = await lab.start(runtime)
        reconciler = lab.reconciler_of(runtime)
        await reconciler.reconcile()
        await lab.claim(runtime, run.id)
        await lab.expire_lease(runtime, run.id)
        clock.pass_(1.1 * rare.reconcile_interval)

        await reconciler.reconcile()

        assert (await lab.run_of(runtime, run.id)).state is RunState.QUEUED
