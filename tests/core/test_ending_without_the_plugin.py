"""A run ends as its task said at its start, also where nobody knows the task any more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from arq import Retry

from tests.core import lab
from ticketgen import StageMoves
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState
from ticketgen.embedded import EmbeddedServers
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of, run_to_end
from ticketgen.worker import _job_function

pytestmark = pytest.mark.services

_STAGES = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_cancel=Stage.REVIEW)


async def test_a_run_cancelled_where_its_plugin_is_gone_moves_its_session_all_the_same(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.session_task(stages=_STAGES)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)

        async with (
            open_runtime(settings, registry=registry_of(settings)) as stranger,
            stranger.unit_of_work() as work,
        ):
            cancelled = await work.cancel(run.id)

        assert cancelled.state is RunState.CANCELLED
        assert await lab.stage_of(runtime, session_id) is Stage.REVIEW


async def test_a_dead_run_that_was_to_be_cancelled_moves_its_session_wherever_it_is_rescued(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.session_task(stages=_STAGES)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        await lab.claim(runtime, run.id)
        async with runtime.unit_of_work() as work:
            await work.cancel(run.id)
        await lab.expire_lease(runtime, run.id)

        async with open_runtime(settings, registry=registry_of(settings)) as stranger:
            await lab.reconciler_of(stranger).reconcile()

        assert (await lab.run_of(runtime, run.id)).state is RunState.CANCELLED
        assert await lab.stage_of(runtime, session_id) is Stage.REVIEW


async def test_a_run_that_began_before_its_moves_were_kept_ends_as_its_task_says(
    settings: Settings,
) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_success=Stage.REVIEW)
    async with lab.open_lab(settings, lab.session_task(stages=stages)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        await lab.change_run(runtime, run.id, stage_moves=None)

        await run_to_end(runtime, run.id)

        assert await lab.stage_of(runtime, session_id) is Stage.REVIEW


async def test_a_job_that_postgres_was_away_for_goes_back_to_the_queue(
    settings: Settings, servers: EmbeddedServers
) -> None:
    task = lab.task()
    async with lab.open_lab(settings, task) as runtime:
        run = await lab.start(runtime)
        job: Any = _job_function(task)
        ctx = {"runner": lab.runner_of(runtime)}

        await asyncio.to_thread(servers.stop_postgres)
        try:
            with pytest.raises(Retry):
                await job(ctx, str(run.id))
        finally:
            await asyncio.to_thread(servers.start_postgres)
        await job(ctx, str(run.id))

        assert (await lab.run_of(runtime, run.id)).state is RunState.COMPLETED
