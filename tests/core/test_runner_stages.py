from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core import lab
from ticketgen import RetryPolicy, StageMoves, TaskContext
from ticketgen.domain import task_runs
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.errors import InvalidInputError, TemporaryError
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def test_a_stage_moves_at_start_and_at_success(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_success=Stage.REVIEW)
    async with lab.open_lab(settings, lab.session_task(stages=stages)) as runtime:
        session_id = await lab.new_session(runtime)

        run = await lab.start(runtime, session_id=session_id)
        at_start = await lab.stage_of(runtime, session_id)
        await run_to_end(runtime, run.id)

        assert at_start is Stage.PROCESSING
        assert await lab.stage_of(runtime, session_id) is Stage.REVIEW


async def test_a_failure_moves_the_stage_back_but_a_retry_does_not(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_failure=Stage.UPLOAD)
    handler = lab.raising(TemporaryError("Busy."), InvalidInputError("Wrong."))
    retry = RetryPolicy(base=timedelta(0))
    task = lab.session_task(handler=handler, stages=stages, retry=retry)
    async with lab.open_lab(settings, task) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)

        await run_to_end(runtime, run.id)
        after_retry = await lab.stage_of(runtime, session_id)
        await run_to_end(runtime, run.id)

        assert after_retry is Stage.PROCESSING
        assert await lab.stage_of(runtime, session_id) is Stage.UPLOAD


async def test_a_run_whose_session_is_deleted_meanwhile_just_ends(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_success=Stage.REVIEW)

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async with runtime.session_factory() as db:
            await db.delete(await db.get_one(WorkSession, ctx.session_id))
            await db.commit()
        return {}

    task = lab.session_task(handler=handler, stages=stages)
    async with lab.open_lab(settings, task) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)

        await lab.runner_of(runtime).run(run.id)

        async with runtime.session_factory() as db:
            assert await db.get(task_runs.TaskRun, run.id) is None
