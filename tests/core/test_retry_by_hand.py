from __future__ import annotations

import asyncio
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen import Exclusivity, StageMoves, StartContext, TaskContext
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import ConflictError, InvalidInputError, NotFoundError
from ticketgen.ports import StartedRun
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.starting import MAX_RETRIES, NotRetryableError
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services

_FAILING = lab.raising(InvalidInputError("Wrong."))


async def _retry(runtime: Runtime, run_id: Any) -> StartedRun:
    async with runtime.unit_of_work() as work:
        return await work.retry(run_id)


async def _failed(runtime: Runtime, **arguments: Any) -> TaskRun:
    run = await lab.start(runtime, **arguments)
    failed = await run_to_end(runtime, run.id)
    assert failed.state is RunState.FAILED
    return failed


async def test_a_retry_is_a_new_run_of_the_same_lineage_asked_for_the_same(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.session_task(handler=_FAILING)) as runtime:
        session_id = await lab.new_session(runtime)
        failed = await _failed(runtime, session_id=session_id, request=lab.Note(note="x"))

        retried = await _retry(runtime, failed.id)

        new = await lab.run_of(runtime, retried.run.id)
        assert not retried.existing
        assert (new.retry_of, new.lineage_id) == (failed.id, failed.id)
        assert (new.retry_count, new.session_id, new.tries) == (1, session_id, 0)
        assert new.request == failed.request == new.payload == {"note": "x"}
        assert f"lab:{new.id}:1" in await lab.queued_jobs(runtime)
        assert (await lab.run_of(runtime, failed.id)).state is RunState.FAILED


async def test_a_step_that_was_done_is_not_done_again(settings: Settings) -> None:
    done: list[str] = []
    calls = [True, True, False]

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        async def work(key: str) -> str:
            done.append(key)
            return f"{key} in {ctx.run.id}"

        first = await ctx.step("first", lambda: work("first"))
        if not calls.pop():
            raise InvalidInputError("Not yet.")
        return {"first": first, "second": await ctx.step("second", lambda: work("second"))}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        failed = await _failed(runtime)
        retried = await _retry(runtime, failed.id)
        anew_after = await run_to_end(runtime, retried.run.id)
        anew = await lab.start(runtime)
        await run_to_end(runtime, anew.id)

        assert done == ["first", "second", "first", "second"]
        assert anew_after.result_summary == {
            "first": f"first in {failed.id}",
            "second": f"second in {retried.run.id}",
        }


async def test_gates_are_asked_again(settings: Settings) -> None:
    asked: list[str] = []
    closed: list[bool] = []

    async def prepare(start: StartContext, request: lab.Note) -> lab.Note:
        asked.append(request.note)
        if closed:
            raise ConflictError("Not now.")
        return request

    task = lab.task(handler=_FAILING, prepare=prepare)
    async with lab.open_lab(settings, task) as runtime:
        failed = await _failed(runtime, request=lab.Note(note="x"))
        closed.append(True)

        with pytest.raises(ConflictError, match=r"Not now\."):
            await _retry(runtime, failed.id)

        assert asked == ["x", "x"]


async def test_the_stage_must_allow_a_retry_as_it_must_a_start(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.UPLOAD,), on_start=Stage.PROCESSING, on_failure=Stage.REVIEW)
    task = lab.session_task(handler=_FAILING, stages=stages)
    async with lab.open_lab(settings, task) as runtime:
        session_id = await lab.new_session(runtime)
        failed = await _failed(runtime, session_id=session_id)

        with pytest.raises(ConflictError):
            await _retry(runtime, failed.id)


async def test_a_run_is_tried_again_three_times_and_no_more(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(handler=_FAILING)) as runtime:
        run = await _failed(runtime)
        counts = []
        for _ in range(MAX_RETRIES):
            run = await run_to_end(runtime, (await _retry(runtime, run.id)).run.id)
            counts.append(run.retry_count)

        with pytest.raises(NotRetryableError, match="3 times"):
            await _retry(runtime, run.id)

        anew = await lab.start(runtime)
        assert counts == [1, 2, 3]
        assert (anew.retry_count, anew.lineage_id) == (0, anew.id)


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.PARKED])
async def test_a_run_that_is_active_is_not_tried_again(settings: Settings, state: RunState) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        if state is RunState.RUNNING:
            await lab.claim(runtime, run.id)
        else:
            await lab.change_run(runtime, run.id, state=state)

        with pytest.raises(NotRetryableError, match="is processing"):
            await _retry(runtime, run.id)


async def test_a_completed_run_is_started_anew_and_not_tried_again(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await run_to_end(runtime, run.id)

        with pytest.raises(NotRetryableError, match="is completed"):
            await _retry(runtime, run.id)
        with pytest.raises(NotFoundError):
            await _retry(runtime, uuid7())


@pytest.mark.parametrize("of_session", [True, False])
async def test_a_run_whose_place_a_newer_one_has_taken_is_not_tried_again(
    settings: Settings, of_session: bool
) -> None:
    task = (lab.session_task if of_session else lab.task)(handler=_FAILING)
    async with lab.open_lab(settings, task) as runtime:
        subject = {"session_id": await lab.new_session(runtime)} if of_session else {}
        failed = await _failed(runtime, **subject)
        newer = (await _retry(runtime, failed.id)).run
        await run_to_end(runtime, newer.id)

        with pytest.raises(NotRetryableError, match=str(newer.id)):
            await _retry(runtime, failed.id)


async def test_after_a_start_anew_the_earlier_run_of_the_session_is_not_tried_again(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.session_task(handler=_FAILING)) as runtime:
        session_id = await lab.new_session(runtime)
        failed = await _failed(runtime, session_id=session_id)
        anew = await _failed(runtime, session_id=session_id)

        with pytest.raises(NotRetryableError, match=str(anew.id)):
            await _retry(runtime, failed.id)


async def test_of_two_retries_at_the_same_moment_one_starts_a_run(settings: Settings) -> None:
    task = lab.task(handler=_FAILING, exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, task) as runtime:
        failed = await _failed(runtime)

        answers = await asyncio.gather(
            *(_retry(runtime, failed.id) for _ in range(4)), return_exceptions=True
        )

        started = [answer for answer in answers if isinstance(answer, StartedRun)]
        refused = [answer for answer in answers if isinstance(answer, NotRetryableError)]
        assert (len(started), len(refused)) == (1, 3)


async def test_a_cancelled_run_can_be_tried_again(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        async with runtime.unit_of_work() as work:
            await work.cancel(run.id)

        again = (await _retry(runtime, run.id)).run

        completed = await run_to_end(runtime, again.id)
        [attempt] = await lab.attempts_of(runtime, again.id)
        assert (completed.state, completed.retry_of) == (RunState.COMPLETED, run.id)
        assert attempt.outcome is AttemptOutcome.COMPLETED


async def test_a_request_that_the_installed_version_cannot_read_is_refused_with_a_way_out(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(handler=_FAILING)) as runtime:
        failed = await _failed(runtime)
        await lab.change_run(runtime, failed.id, request={"note": 3})

        with pytest.raises(NotRetryableError, match="installed version") as refused:
            await _retry(runtime, failed.id)

        assert refused.value.recovery_actions == ("Start the task anew.",)
