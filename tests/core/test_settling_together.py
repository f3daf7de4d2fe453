from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen import Exclusivity, StageMoves
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.domain.transitions_together import claim_runs
from ticketgen.outcomes import Completed
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


async def _running(runtime: Runtime, number: int) -> list[TaskRun]:
    async with runtime.unit_of_work() as work:
        run_ids = await work.start_many("lab", [lab.Note() for _ in range(number)])
    async with runtime.session_factory() as db:
        claimed = await claim_runs(
            db,
            run_ids,
            task_types=("lab",),
            worker_id=uuid7(),
            worker="here:1",
            lease=runtime.settings.lease,
        )
        await db.commit()
    return claimed


async def test_runs_that_end_together_are_settled_by_few_statements(settings: Settings) -> None:
    statements: list[str] = []
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        runs, settler = await _running(runtime, 40), runtime.settler

        @event.listens_for(runtime.engine.sync_engine, "before_cursor_execute")
        def note(*arguments: Any) -> None:
            statements.append(arguments[2])

        settled = await asyncio.gather(
            *(settler.settle(run, Completed(summary={"n": n})) for n, run in enumerate(runs))
        )
        await runtime.announcer.all_noted()

        assert [run.result_summary for run in settled] == [{"n": n} for n in range(40)]
        assert len(statements) == 2  # they are completed, and noted as announced
        for run in runs:
            assert (await lab.run_of(runtime, run.id)).announced_at is not None


async def test_one_whose_result_is_refused_spoils_no_other_s(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        (bad, good), settler = await _running(runtime, 2), runtime.settler
        unfit = Completed(summary={"n": float("nan")})  # JSON has no word for it

        answers = await asyncio.gather(
            settler.settle(bad, unfit),
            settler.settle(good, Completed(summary={"n": 1})),
            return_exceptions=True,
        )

        assert isinstance(answers[0], DBAPIError)
        assert (await lab.run_of(runtime, good.id)).state is RunState.COMPLETED
        assert (await lab.run_of(runtime, bad.id)).state is RunState.RUNNING


async def test_one_that_was_overtaken_is_told_and_the_others_are_settled(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        (late, good), settler = await _running(runtime, 2), runtime.settler
        late.attempt += 1

        answers = await asyncio.gather(
            settler.settle(late, Completed(summary={})),
            settler.settle(good, Completed(summary={})),
            return_exceptions=True,
        )

        assert isinstance(answers[0], StaleAttemptError)
        assert (await lab.run_of(runtime, good.id)).state is RunState.COMPLETED


async def test_runs_that_move_their_sessions_are_settled_alone_and_move_them(
    settings: Settings,
) -> None:
    moves = StageMoves(allowed=(Stage.UPLOAD,), on_success=Stage.REVIEW)
    async with lab.open_lab(settings, lab.session_task(stages=moves)) as runtime:
        sessions = [await lab.new_session(runtime) for _ in range(3)]
        runs = [await lab.start(runtime, session_id=session) for session in sessions]
        runner = lab.runner_of(runtime)

        await asyncio.gather(*(runner.run(run.id) for run in runs))

        for session in sessions:
            assert await lab.stage_of(runtime, session) is Stage.REVIEW


async def test_a_worker_told_to_stop_during_a_claim_hands_back_what_it_got(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        async with runtime.unit_of_work() as work:
            run_ids = await work.start_many("lab", [lab.Note() for _ in range(3)])
        runner = lab.runner_of(runtime)
        working = [asyncio.create_task(runner.run(run_id)) for run_id in run_ids]
        await asyncio.sleep(0)  # they have asked, and nobody has an answer
        await asyncio.sleep(0)
        assert runner.claims._together.task is not None
        for task in working:
            task.cancel()

        await asyncio.gather(*working, return_exceptions=True)

        assert [task.cancelled() for task in working] == [True] * 3
        assert len(runner.hands) == 0
        for run_id in run_ids:
            run = await lab.run_of(runtime, run_id)
            assert (run.state, run.tries, run.rescues) == (RunState.QUEUED, 0, 0)
