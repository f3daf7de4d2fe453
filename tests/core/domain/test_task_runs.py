from __future__ import annotations

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen.domain import run_steps, task_runs, workers
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import NotFoundError
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


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


async def test_runs_are_listed_by_state_and_by_type(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        done, waiting = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        await run_to_end(runtime, done.id)

        async with runtime.session_factory() as db:
            queued = await task_runs.list_runs(db, states=[RunState.QUEUED, RunState.RUNNING])
            of_type = await task_runs.list_runs(db, task_type="lab.a")
            neither = await task_runs.list_runs(db, task_type="lab.a", states=[RunState.QUEUED])

        assert [run.id for run in queued] == [waiting.id]
        assert [run.id for run in of_type] == [done.id]
        assert neither == []


async def test_a_step_is_kept_under_its_lineage_even_if_its_result_is_nothing(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)

        async with runtime.session_factory() as db:
            missing = await run_steps.load_step(db, lineage_id=run.lineage_id, key="a")
            await run_steps.save_step(db, lineage_id=run.lineage_id, key="a", value=None)
            stored = await run_steps.load_step(db, lineage_id=run.lineage_id, key="a")
            await run_steps.delete_steps(db, run.lineage_id)
            forgotten = await run_steps.load_step(db, lineage_id=run.lineage_id, key="a")

        assert missing is None
        assert stored == {"value": None}
        assert forgotten is None


async def test_a_worker_lives_as_long_as_it_says_so(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        silent, speaking = await lab.say_alive(runtime, "lab"), await lab.say_alive(runtime, "lab")
        async with runtime.session_factory() as db:
            row = await db.get_one(workers.WorkerProcess, silent)
            row.last_seen_at -= timedelta(seconds=31)
            await db.flush()

            live = await workers.list_live_workers(db, expiry=timedelta(seconds=30))
            await workers.say_farewell(db, speaking)
            left = await workers.list_live_workers(db, expiry=timedelta(seconds=30))
            stopped = await db.get_one(workers.WorkerProcess, speaking, populate_existing=True)

        assert [worker.id for worker in live] == [speaking]
        assert left == []
        assert stopped.stopped_at is not None
