from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.core import lab
from ticketgen import StageMoves
from ticketgen.domain import task_runs, transitions, workers
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.workers import WorkerProcess
from ticketgen.errors import ConflictError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def _reconcile(runtime: Runtime) -> None:
    await lab.reconciler_of(runtime).reconcile()


async def _wait_in_vain(runtime: Runtime, run: TaskRun) -> None:
    """As if the run had been due for longer than anybody is waited for."""
    long_ago = run.available_at - runtime.settings.park_after - timedelta(seconds=1)
    await lab.change_run(runtime, run.id, available_at=long_ago)


async def _silent_for(runtime: Runtime, worker_id: UUID, silence: timedelta) -> None:
    async with runtime.session_factory() as db:
        worker = await db.get_one(WorkerProcess, worker_id)
        worker.last_seen_at -= silence
        await db.commit()


async def _parked_lab_run(runtime: Runtime, **arguments: Any) -> TaskRun:
    run = await lab.start(runtime, **arguments)
    await _wait_in_vain(runtime, run)
    await _reconcile(runtime)
    return await lab.run_of(runtime, run.id)


async def test_with_no_worker_at_all_a_run_is_parked_and_says_so(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        parked = await _parked_lab_run(runtime)

        async with runtime.session_factory() as db:
            listed = await task_runs.list_runs(db, states=[RunState.PARKED])
        assert parked.parked is not None
        assert (parked.state, parked.parked["code"]) == (RunState.PARKED, "not_served")
        assert "No worker is running" in parked.parked["message"]
        assert (parked.is_active, parked.status) == (True, "processing")
        assert [run.id for run in listed] == [parked.id]


async def test_with_workers_that_lack_the_plugin_a_run_is_parked_and_names_it(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        await lab.say_alive(runtime, "other", plugins={"other": "1"})

        parked = await _parked_lab_run(runtime)

        assert parked.parked is not None
        assert parked.parked["plugin"] == "lab"
        assert "offers the plugin lab" in parked.parked["message"]


async def test_a_run_is_not_parked_before_its_time(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        almost = settings.park_after - timedelta(seconds=5)
        await lab.change_run(runtime, run.id, available_at=run.available_at - almost)

        await _reconcile(runtime)

        assert (await lab.run_of(runtime, run.id)).state is RunState.QUEUED


async def test_a_run_that_only_waits_for_a_busy_worker_is_not_parked(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        await lab.say_alive(runtime, "lab", "other")

        waiting = await _parked_lab_run(runtime)

        assert waiting.state is RunState.QUEUED


async def test_a_worker_that_stopped_or_fell_silent_lately_counts_as_one_that_offers(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        worker_id = await lab.say_alive(runtime, "lab")
        async with runtime.session_factory() as db:
            await workers.say_farewell(db, worker_id)
            await db.commit()
        run = await _parked_lab_run(runtime)

        after_stop = (await lab.run_of(runtime, run.id)).state
        async with runtime.session_factory() as db:
            worker = await db.get_one(WorkerProcess, worker_id)
            assert worker.stopped_at is not None
            worker.stopped_at -= settings.park_after + timedelta(seconds=1)
            await db.commit()
        await _reconcile(runtime)

        assert after_stop is RunState.QUEUED
        assert (await lab.run_of(runtime, run.id)).state is RunState.PARKED


async def test_a_worker_that_has_been_silent_for_long_offers_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        worker_id = await lab.say_alive(runtime, "lab")
        await _silent_for(runtime, worker_id, settings.park_after / 2)
        first = (await _parked_lab_run(runtime)).state
        await _silent_for(runtime, worker_id, settings.park_after)

        await _reconcile(runtime)

        [run] = [await _only_run(runtime)]
        assert (first, run.state) == (RunState.QUEUED, RunState.PARKED)


async def _only_run(runtime: Runtime) -> TaskRun:
    async with runtime.session_factory() as db:
        [run] = await task_runs.list_runs(db)
    return run


async def test_a_parked_run_holds_its_place_against_a_second_start(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.session_task(), lab.task("lab.one")) as runtime:
        session_id = await lab.new_session(runtime)
        of_session = await _parked_lab_run(runtime, session_id=session_id)
        of_type = await _parked_lab_run(runtime, task_type="lab.one")

        async with runtime.unit_of_work() as work:
            again = await work.start("lab", session_id=session_id)
            of_type_again = await work.start("lab.one")

        assert (again.existing, again.run.id) == (True, of_session.id)
        assert (of_type_again.existing, of_type_again.run.id) == (True, of_type.id)


async def test_a_parked_run_resumes_by_itself_once_a_live_worker_offers_it(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        parked = await _parked_lab_run(runtime)
        await runtime.redis.flushall()
        await _reconcile(runtime)
        still = (await lab.run_of(runtime, parked.id)).state
        await lab.say_alive(runtime, "lab", plugins={"lab": "1"})

        await _reconcile(runtime)

        resumed = await lab.run_of(runtime, parked.id)
        assert still is RunState.PARKED
        assert (resumed.state, resumed.parked) == (RunState.QUEUED, None)
        assert await lab.queued_jobs(runtime) == [f"lab:{parked.id}:2"]
        assert (await run_to_end(runtime, parked.id)).state is RunState.COMPLETED


async def test_a_worker_that_is_silent_or_stopped_resumes_nothing(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        parked = await _parked_lab_run(runtime)
        silent, stopped = (
            await lab.say_alive(runtime, "lab"),
            await lab.say_alive(runtime, "lab"),
        )
        await _silent_for(runtime, silent, settings.heartbeat_expiry + timedelta(seconds=1))
        async with runtime.session_factory() as db:
            await workers.say_farewell(db, stopped)
            await db.commit()

        await _reconcile(runtime)

        assert (await lab.run_of(runtime, parked.id)).state is RunState.PARKED


async def test_a_parked_run_can_be_cancelled_and_then_stays_so(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.REVIEW, on_cancel=Stage.UPLOAD)
    async with lab.open_lab(settings, lab.session_task(stages=stages)) as runtime:
        session_id = await lab.new_session(runtime)
        parked = await _parked_lab_run(runtime, session_id=session_id)
        async with runtime.unit_of_work() as work:
            await work.cancel(parked.id)
        await lab.say_alive(runtime, "lab")

        await _reconcile(runtime)

        assert (await lab.run_of(runtime, parked.id)).state is RunState.CANCELLED
        assert await lab.stage_of(runtime, session_id) is Stage.UPLOAD


async def test_a_parked_run_can_be_resumed_by_hand_and_another_cannot(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        parked = await _parked_lab_run(runtime)
        await runtime.redis.flushall()

        async with runtime.unit_of_work() as work:
            resumed = await work.resume(parked.id)
        with pytest.raises(ConflictError, match="it is queued"):
            async with runtime.unit_of_work() as work:
                await work.resume(parked.id)

        assert resumed.state is RunState.QUEUED
        assert await lab.queued_jobs(runtime) == [f"lab:{parked.id}:2"]


async def test_an_unreadable_payload_waits_for_a_worker_with_another_version_of_the_plugin(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, payload={"note": 3})
        parked = await run_to_end(runtime, run.id)
        version = runtime.registry.version_of("lab")
        await lab.say_alive(runtime, "lab", plugins={"lab": version})
        await _reconcile(runtime)
        with_same = await lab.run_of(runtime, run.id)
        await lab.say_alive(runtime, "lab", plugins={"lab": "newer"})

        await _reconcile(runtime)

        resumed = await lab.run_of(runtime, run.id)
        [attempt] = await lab.attempts_of(runtime, run.id)
        assert (parked.state, with_same.state) == (RunState.PARKED, RunState.PARKED)
        assert (resumed.state, resumed.parked, resumed.tries) == (RunState.QUEUED, None, 0)
        assert attempt.outcome is AttemptOutcome.PARKED


async def test_one_unreadable_payload_stops_no_other_run(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        bad, good = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        await lab.change_run(runtime, bad.id, payload={"note": 3})
        runner = lab.runner_of(runtime)

        await asyncio.gather(runner.run(bad.id), runner.run(good.id))

        assert (await lab.run_of(runtime, bad.id)).state is RunState.PARKED
        assert (await lab.run_of(runtime, good.id)).state is RunState.COMPLETED


async def test_a_payload_that_no_live_version_can_read_is_tried_once_by_each(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, payload={"note": {"not": "text"}})
        await lab.say_alive(runtime, "lab", plugins={"lab": "1.0"})
        await lab.say_alive(runtime, "lab", plugins={"lab": "2.0"})

        for version in ("1.0", "2.0"):
            claimed = await lab.claim(runtime, run.id)
            assert claimed is not None
            async with runtime.session_factory() as db:
                reason = {"code": "unreadable_payload", "message": "…", "version": version}
                await transitions.park_run(db, run.id, claimed.attempt, reason=reason)
                await db.commit()
            await _reconcile(runtime)

        assert (await lab.run_of(runtime, run.id)).state is RunState.PARKED
        await lab.say_alive(runtime, "lab", plugins={"lab": "3.0"})
        await _reconcile(runtime)
        assert (await lab.run_of(runtime, run.id)).state is RunState.QUEUED
