from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.core import lab
from ticketgen import RunIdentity, StageMoves
from ticketgen.domain import transitions
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _reserved_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, no reservation lapses in the middle of a test."""
    monkeypatch.setattr("ticketgen.runner._RESERVED", timedelta(hours=1))


_STAGES = StageMoves(
    allowed=(Stage.UPLOAD,),
    on_start=Stage.PROCESSING,
    on_failure=Stage.UPLOAD,
    on_cancel=Stage.REVIEW,
)


async def _reconcile(runtime: Runtime) -> None:
    await lab.reconciler_of(runtime).reconcile()


async def test_a_run_whose_lease_has_run_out_is_queued_again_without_spending_a_try(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)
        await lab.expire_lease(runtime, run.id)

        await _reconcile(runtime)

        rescued = await lab.run_of(runtime, run.id)
        [lost] = await lab.attempts_of(runtime, run.id)
        assert (rescued.state, rescued.tries, rescued.rescues) == (RunState.QUEUED, 0, 1)
        assert (lost.outcome, lost.ended_at is not None) == (AttemptOutcome.LOST, True)
        assert f"lab:{run.id}:2" in await lab.queued_jobs(runtime)
        again = await run_to_end(runtime, run.id)
        assert (again.state, again.attempt, again.tries) == (RunState.COMPLETED, 2, 1)


async def test_a_run_whose_lease_is_good_is_left_to_its_worker(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)

        await _reconcile(runtime)
        direct = await runtime.settler.rescue(run.id, 1)

        left = await lab.run_of(runtime, run.id)
        assert direct is None
        assert (left.state, left.rescues) == (RunState.RUNNING, 0)


async def test_after_a_gap_in_our_looks_the_living_get_time_to_renew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = lab.clock_of_looks(monkeypatch)
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        reconciler = lab.reconciler_of(runtime)
        await reconciler.reconcile()
        await lab.claim(runtime, run.id)
        await lab.expire_lease(runtime, run.id)

        clock.pass_(3 * settings.lease_renewal)
        await reconciler.reconcile()
        after_gap = await lab.run_of(runtime, run.id)
        clock.pass_(0.9 * settings.lease_renewal)
        await reconciler.reconcile()
        soon_after = await lab.run_of(runtime, run.id)
        for _ in range(2):
            clock.pass_(0.6 * settings.lease_renewal)
            await reconciler.reconcile()

        at_last = await lab.run_of(runtime, run.id)
        assert after_gap.state is RunState.RUNNING
        assert soon_after.state is RunState.RUNNING
        assert (at_last.state, at_last.rescues) == (RunState.QUEUED, 1)


async def test_rescuers_at_the_same_moment_rescue_once(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)
        await lab.expire_lease(runtime, run.id)

        await asyncio.gather(
            *(_reconcile(runtime) for _ in range(4)),
            *(runtime.settler.rescue(run.id, 1) for _ in range(4)),
        )

        rescued = await lab.run_of(runtime, run.id)
        assert (rescued.state, rescued.rescues, rescued.delivery) == (RunState.QUEUED, 1, 2)
        assert len(await lab.attempts_of(runtime, run.id)) == 1


async def test_a_rescue_leaves_an_attempt_alone_that_is_just_committing_its_end(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.claim(runtime, run.id)
        await lab.expire_lease(runtime, run.id)

        async with runtime.session_factory() as db:
            await transitions.complete_run(db, run.id, 1, result_summary={})
            rescued = await asyncio.wait_for(runtime.settler.rescue(run.id, 1), lab.PATIENCE)
            await db.commit()

        assert rescued is None
        assert (await lab.run_of(runtime, run.id)).state is RunState.COMPLETED


async def test_a_run_that_dies_after_its_cancel_was_asked_for_is_cancelled_with_all_it_means(
    settings: Settings,
) -> None:
    discarded: list[RunIdentity] = []

    async def discard(db: AsyncSession, run: RunIdentity) -> None:
        discarded.append(run)

    task = lab.session_task(stages=_STAGES, discard=discard)
    async with lab.open_lab(settings, task) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        await lab.claim(runtime, run.id)
        async with runtime.unit_of_work() as work:
            await work.cancel(run.id)
        await lab.expire_lease(runtime, run.id)

        await _reconcile(runtime)

        cancelled = await lab.run_of(runtime, run.id)
        [lost] = await lab.attempts_of(runtime, run.id)
        assert (cancelled.state, cancelled.rescues) == (RunState.CANCELLED, 0)
        assert lost.outcome is AttemptOutcome.LOST
        assert [identity.id for identity in discarded] == [run.id]
        assert await lab.stage_of(runtime, session_id) is Stage.REVIEW


async def test_a_third_death_alone_proves_a_run_poison(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.maintenance._UNANNOUNCED", timedelta(0))
    async with lab.open_lab(settings, lab.session_task(stages=_STAGES)) as runtime:
        session_id = await lab.new_session(runtime)
        run = await lab.start(runtime, session_id=session_id)
        await lab.lose(runtime, run.id)
        await lab.lose(runtime, run.id)
        await lab.change_run(runtime, run.id, progress={"stage": "Page 7"})

        beside_others = await lab.claim(runtime, run.id)
        await lab.lose(runtime, run.id, alone=True)

        failed = await lab.run_of(runtime, run.id)
        [failure] = await lab.failures_of(runtime, run.id)
        attempts = await lab.attempts_of(runtime, run.id)
        deaths = failure.technical_details["deaths"]
        assert beside_others is None
        assert failed.error is not None
        assert (failed.state, failed.rescues) == (RunState.FAILED, 3)
        assert (failed.error["code"], failure.code) == ("poison", "poison")
        assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.LOST] * 3
        assert [f"attempt {n} on lab:2" in deaths[n - 1] for n in (1, 2, 3)] == [True] * 3
        assert failure.technical_details["last_stage"] == "Page 7"
        assert await lab.stage_of(runtime, session_id) is Stage.UPLOAD
        await _reconcile(runtime)
        [message] = await lab.messages_of(runtime, f"progress:{session_id}:lab")
        assert (message.type, message.user_message) == ("error", failure.user_message)


async def test_a_suspect_waits_until_it_is_alone_and_nothing_is_taken_beside_it(
    settings: Settings,
) -> None:
    other, suspect = lab.Gate(), lab.Gate()
    tasks = (lab.task("lab.a", other.handler), lab.task("lab.b", suspect.handler))
    async with lab.open_lab(settings, *tasks, lab.task("lab.c")) as runtime:
        one, two = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        three = await lab.start(runtime, "lab.c")
        await lab.change_run(runtime, two.id, rescues=2)
        runner = lab.runner_of(runtime)
        before = runner.may_take()

        works = [asyncio.create_task(runner.run(one.id))]
        await other.begun.wait()
        works.append(asyncio.create_task(runner.run(two.id)))
        await lab.until(lambda: _is(runner.may_take() == 0))
        works.append(asyncio.create_task(runner.run(three.id)))
        await asyncio.sleep(0.1)
        waits = not suspect.begun.is_set()
        other.go_on.set()
        await asyncio.wait_for(suspect.begun.wait(), lab.PATIENCE)
        beside = await lab.run_of(runtime, three.id)
        suspect.go_on.set()
        await asyncio.gather(*works)

        assert (before, runner.may_take()) == (None, None)
        assert waits
        assert beside.state is RunState.QUEUED
        assert (await lab.run_of(runtime, two.id)).state is RunState.COMPLETED
        assert (await lab.run_of(runtime, three.id)).state is RunState.COMPLETED
        assert [attempt.alone for attempt in await lab.attempts_of(runtime, two.id)] == [True]


async def _is(answer: bool) -> bool:
    return answer


async def test_while_one_worker_waits_to_be_alone_with_a_suspect_no_other_stands_still_for_it(
    settings: Settings,
) -> None:
    busy = lab.Gate()
    tasks = (lab.task("lab.a", busy.handler), lab.task("lab.b"))
    async with lab.open_lab(settings, *tasks) as runtime:
        one, two = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        await lab.change_run(runtime, two.id, rescues=2)
        runner = lab.runner_of(runtime)
        works = [asyncio.create_task(runner.run(one.id))]
        await busy.begun.wait()
        works.append(asyncio.create_task(runner.run(two.id)))
        await lab.until(lambda: _is(runner.may_take() == 0))

        other = lab.runner_of(runtime)
        await other.run(two.id)
        await lab.reconciler_of(runtime).reconcile()
        meanwhile = await lab.run_of(runtime, two.id)
        busy.go_on.set()
        await asyncio.gather(*works)

        assert (meanwhile.state, meanwhile.attempt, meanwhile.delivery) == (RunState.QUEUED, 0, 1)
        assert other.may_take() is None
        taken = await lab.run_of(runtime, two.id)
        assert (taken.state, taken.attempt) == (RunState.COMPLETED, 1)
        assert runner.may_take() is None


async def test_a_worker_that_waits_to_be_alone_gives_up_when_the_run_is_cancelled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.runner._RESERVED", timedelta(seconds=0.6))
    busy = lab.Gate()
    tasks = (lab.task("lab.a", busy.handler), lab.task("lab.b"))
    async with lab.open_lab(settings, *tasks) as runtime:
        one, two = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        await lab.change_run(runtime, two.id, rescues=2)
        runner = lab.runner_of(runtime)
        at_work = asyncio.create_task(runner.run(one.id))
        await busy.begun.wait()
        waiting = asyncio.create_task(runner.run(two.id))
        await lab.until(lambda: _is(runner.may_take() == 0))

        async with runtime.unit_of_work() as work:
            await work.cancel(two.id)
        await asyncio.wait_for(waiting, lab.PATIENCE)

        assert runner.may_take() is None
        assert not at_work.done()
        busy.go_on.set()
        await at_work


async def test_a_worker_that_waits_to_be_alone_leaves_a_second_suspect_to_others(
    settings: Settings,
) -> None:
    busy = lab.Gate()
    tasks = (lab.task("lab.a", busy.handler), lab.task("lab.b"), lab.task("lab.c"))
    async with lab.open_lab(settings, *tasks) as runtime:
        one, two, three = [await lab.start(runtime, name) for name in ("lab.a", "lab.b", "lab.c")]
        for suspect in (two, three):
            await lab.change_run(runtime, suspect.id, rescues=2)
        runner = lab.runner_of(runtime)
        works = [asyncio.create_task(runner.run(one.id))]
        await busy.begun.wait()

        works += [asyncio.create_task(runner.run(suspect.id)) for suspect in (two, three)]
        await lab.until(lambda: _is(sum(work.done() for work in works) == 1))
        left = three if works[2].done() else two
        await lab.change_run(runtime, left.id, available_at=left.created_at)  # as after a while
        await lab.run_alone(runtime, left.id)

        assert (await lab.run_of(runtime, left.id)).state is RunState.COMPLETED
        assert runner.may_take() == 0
        busy.go_on.set()
        await asyncio.gather(*works)


async def test_a_suspect_that_lives_through_its_attempt_alone_just_completes(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.lose(runtime, run.id)
        await lab.lose(runtime, run.id)

        completed = await run_to_end(runtime, run.id)

        assert (completed.state, completed.attempt, completed.tries) == (RunState.COMPLETED, 3, 1)


async def test_one_run_that_cannot_be_rescued_keeps_no_other_from_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        first, second = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        for run in (first, second):
            await lab.claim(runtime, run.id)
            await lab.expire_lease(runtime, run.id)
        rescue = type(runtime.settler).rescue

        async def refusing(self: Any, run_id: Any, attempt: int) -> Any:
            if run_id == first.id:
                raise ValueError("no")
            return await rescue(self, run_id, attempt)

        monkeypatch.setattr("ticketgen.settling.Settler.rescue", refusing)

        await _reconcile(runtime)

        assert (await lab.run_of(runtime, first.id)).state is RunState.RUNNING
        assert (await lab.run_of(runtime, second.id)).state is RunState.QUEUED


async def test_a_suspect_whose_reservation_lapsed_is_taken_by_the_next(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, rescues=2)
        async with runtime.session_factory() as db:
            hour = timedelta(hours=1)
            reserved = await transitions.reserve_run(db, run.id, until_claimed=hour)
            again = await transitions.reserve_run(db, run.id, until_claimed=hour)
            await db.commit()

        await lab.runner_of(runtime).run(run.id)
        at_first = (await lab.run_of(runtime, run.id)).state
        await lab.change_run(runtime, run.id, available_at=run.created_at)  # as after the hour
        await lab.runner_of(runtime).run(run.id)

        assert (reserved, again) == (True, False)
        assert at_first is RunState.QUEUED
        assert (await lab.run_of(runtime, run.id)).state is RunState.COMPLETED
