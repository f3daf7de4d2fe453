from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from tests.core import lab
from ticketgen import Exclusivity, TaskContext
from ticketgen.database import new_id
from ticketgen.delivering import deliver
from ticketgen.domain import task_runs
from ticketgen.domain.task_runs import NewRun, RunState, TaskRun
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _overdue_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))
    # However busy the machine is: one look is to see them all.
    monkeypatch.setattr("ticketgen.maintenance._SWEEP_SECONDS", 60)
    monkeypatch.setattr("ticketgen.maintenance._BATCH", 20)


async def _queue_many(runtime: Runtime, count: int) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    rows = [
        {
            "id": run_id,
            "lineage_id": run_id,
            "task_type": "lab",
            "payload": {"note": ""},
            "exclusivity_key": str(run_id),
            "state": RunState.QUEUED,
        }
        for run_id in ids
    ]
    async with runtime.session_factory() as db:
        await db.execute(insert(TaskRun), rows)
        await db.commit()
    return ids


async def _pushed(runtime: Runtime) -> set[UUID]:
    return {UUID(job.split(":")[1]) for job in await lab.queued_jobs(runtime)}


async def test_a_queue_that_lost_everything_gets_every_run_again(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        ids = await _queue_many(runtime, 48)
        reconciler = lab.reconciler_of(runtime)
        await reconciler.reconcile()
        before = await _pushed(runtime)
        await runtime.redis.flushall()

        for _ in range(3):
            await reconciler.reconcile()

        assert before == set(ids)
        assert await _pushed(runtime) == set(ids)
        assert len(await lab.queued_jobs(runtime)) == 48


async def test_one_look_ends_in_time_and_the_next_goes_on_pushing_where_it_stopped(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.maintenance._SWEEP_SECONDS", 0)
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        ids = await _queue_many(runtime, 44)
        reconciler = lab.reconciler_of(runtime)

        pushed = []
        for _ in range(3):
            await reconciler.reconcile()
            pushed.append(len(await _pushed(runtime)))

        assert pushed == [20, 40, 44]
        assert await _pushed(runtime) == set(ids)


async def test_one_lost_run_is_found_behind_a_page_that_is_not(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        ids = await _queue_many(runtime, 25)
        reconciler = lab.reconciler_of(runtime)
        await reconciler.reconcile()
        [job] = [job for job in await lab.queued_jobs(runtime) if str(ids[-1]) in job]
        await runtime.redis.zrem("arq:queue", job)
        await runtime.redis.delete(f"arq:job:{job}")
        lost = ids[-1] not in await _pushed(runtime)

        for _ in range(3):
            await reconciler.reconcile()

        assert lost
        assert await _pushed(runtime) == set(ids)


async def test_a_transaction_that_commits_after_the_push_loses_no_run(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        runner = lab.runner_of(runtime)
        async with runtime.session_factory() as db:
            run, _ = await task_runs.insert_run(
                db, NewRun(task_type="lab", payload={"note": "late"}, exclusivity_key="lab")
            )
            await deliver(runtime.queue, [run], runtime.registry)
            await runner.run(run.id)
            await runtime.redis.flushall()  # as the worker that found nothing to claim leaves it
            await db.commit()
        unclaimed = await lab.run_of(runtime, run.id)

        await lab.reconciler_of(runtime).reconcile()
        pushed = await lab.queued_jobs(runtime)
        await runner.run(run.id)

        completed = await lab.run_of(runtime, run.id)
        assert (unclaimed.state, unclaimed.attempt) == (RunState.QUEUED, 0)
        assert pushed == [f"lab:{run.id}:2"]
        assert (completed.state, completed.attempt) == (RunState.COMPLETED, 1)


async def test_a_duplicate_delivery_is_run_once_by_however_many_workers(
    settings: Settings,
) -> None:
    calls: list[int] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        calls.append(ctx.run.attempt)
        await asyncio.sleep(0.1)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        one, other = lab.runner_of(runtime), lab.runner_of(runtime)

        await asyncio.gather(*(runner.run(run.id) for runner in (one, one, other, other)))
        await one.run(run.id)

        assert calls == [1]
        assert len(await lab.attempts_of(runtime, run.id)) == 1


async def test_a_delivery_that_comes_too_early_does_not_start_a_retry(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, available_at=run.created_at + timedelta(hours=1))

        left = await lab.run_alone(runtime, run.id)

        assert (left.state, left.attempt) == (RunState.QUEUED, 0)


async def test_a_run_that_was_begun_does_not_wait_behind_what_is_new(settings: Settings) -> None:
    tasks = [lab.task("lab.a"), lab.task("lab.b"), lab.task("lab.c")]
    async with lab.open_lab(settings, *tasks) as runtime:
        begun = await lab.start(runtime, "lab.a")
        new = [await lab.start(runtime, "lab.b"), await lab.start(runtime, "lab.c")]
        await runtime.redis.zrem("arq:queue", f"lab.a:{begun.id}:1")

        await lab.lose(runtime, begun.id)

        queued = [job.decode() for job in await runtime.redis.zrange("arq:queue", 0, -1)]
        assert queued == [
            f"lab.a:{begun.id}:2",
            f"lab.b:{new[0].id}:1",
            f"lab.c:{new[1].id}:1",
        ]
