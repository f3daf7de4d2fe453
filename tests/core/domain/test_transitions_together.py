from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, update
from uuid_utils.compat import uuid7

from tests.core import lab
from ticketgen.database import SessionFactory
from ticketgen.domain import run_attempts, task_runs, transitions
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions_together import (
    Completion,
    claim_runs,
    complete_runs,
    store_progress,
)
from ticketgen.plugin import Exclusivity, Task
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

_LEASE = timedelta(seconds=20)


async def _queued(runtime: Runtime, number: int) -> list[UUID]:
    async with runtime.unit_of_work() as work:
        return await work.start_many("lab", [lab.Note(note=str(n)) for n in range(number)])


async def _claimed(
    factory: SessionFactory, run_ids: list[UUID], *, task_types: tuple[str, ...] = ("lab",)
) -> list[TaskRun]:
    async with factory() as db:
        claimed = await claim_runs(
            db,
            run_ids,
            task_types=task_types,
            worker_id=uuid7(),
            worker="here:1",
            lease=_LEASE,
        )
        await db.commit()
    return claimed


def _many() -> Task[Any, Any]:
    return lab.task(exclusivity=Exclusivity.NONE)


async def test_runs_are_claimed_each_with_an_attempt_and_a_lease(settings: Settings) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        run_ids = await _queued(runtime, 3)

        claimed = await _claimed(runtime.session_factory, run_ids)

        assert {run.id for run in claimed} == set(run_ids)
        assert {(run.state, run.attempt, run.tries) for run in claimed} == {
            (RunState.RUNNING, 1, 1)
        }
        assert all(run.started_at is not None for run in claimed)
        async with runtime.session_factory() as db:
            for run_id in run_ids:
                [attempt] = await run_attempts.list_attempts(db, run_id)
                assert (attempt.attempt, attempt.worker, attempt.alone) == (1, "here:1", False)
                assert attempt.lease_expires_at - attempt.started_at > _LEASE / 2


async def test_what_is_not_to_be_claimed_is_left(settings: Settings) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        fit, later, suspected, cancelled, claimed_before = await _queued(runtime, 5)
        async with runtime.unit_of_work() as work:
            await work.cancel(cancelled)
            hour = timedelta(hours=1)
            put_off = update(TaskRun).where(TaskRun.id == later)
            await work.db.execute(put_off.values(available_at=TaskRun.available_at + hour))
            deadly = update(TaskRun).where(TaskRun.id == suspected)
            await work.db.execute(deadly.values(rescues=transitions.POISON_BOUND - 1))
        await _claimed(runtime.session_factory, [claimed_before])

        run_ids = [fit, later, suspected, cancelled, claimed_before, uuid7()]
        claimed = await _claimed(runtime.session_factory, run_ids)

        assert [run.id for run in claimed] == [fit]


async def test_runs_of_tasks_that_are_not_served_are_left(settings: Settings) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        run_ids = await _queued(runtime, 2)

        assert await _claimed(runtime.session_factory, run_ids, task_types=("other",)) == []


async def test_many_workers_that_claim_the_same_runs_share_them_out(settings: Settings) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        run_ids = await _queued(runtime, 60)

        groups = await asyncio.gather(
            *(_claimed(runtime.session_factory, run_ids) for _ in range(8))
        )
        rest = await _claimed(runtime.session_factory, run_ids)

        claimed = [run.id for group in [*groups, rest] for run in group]
        assert sorted(claimed) == sorted(run_ids)


async def test_a_run_whose_row_somebody_holds_keeps_no_other_waiting(settings: Settings) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        held, free = await _queued(runtime, 2)
        async with runtime.session_factory() as db:
            await task_runs.lock_run(db, held)

            claimed = await _claimed(runtime.session_factory, [held, free])

        assert [run.id for run in claimed] == [free]


async def test_attempts_that_count_are_completed_with_result_and_progress(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        run_ids = await _queued(runtime, 2)
        first, second = await _claimed(runtime.session_factory, run_ids)
        progress = {"percentage": 100, "stage": "Done", "details": {}}

        async with runtime.session_factory() as db:
            completed = await complete_runs(
                db,
                [
                    Completion(
                        run_id=first.id,
                        attempt=1,
                        result_summary={"z": 1, "a": 'ä"\\'},
                        progress=progress,
                    ),
                    Completion(run_id=second.id, attempt=7, result_summary={}),
                ],
            )
            await db.commit()

        assert list(completed) == [first.id]
        settled = await lab.run_of(runtime, first.id)
        assert settled.state is RunState.COMPLETED
        assert list((settled.result_summary or {}).items()) == [("z", 1), ("a", 'ä"\\')]
        assert (settled.progress, settled.error) == (progress, None)
        assert settled.finished_at is not None
        async with runtime.session_factory() as db:
            [attempt] = await run_attempts.list_attempts(db, first.id)
        assert attempt.outcome is AttemptOutcome.COMPLETED
        assert attempt.ended_at is not None
        assert (await lab.run_of(runtime, second.id)).state is RunState.RUNNING


async def test_the_progress_of_an_attempt_that_counts_no_more_is_not_stored(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, _many()) as runtime:
        [run_id] = await _queued(runtime, 1)
        await _claimed(runtime.session_factory, [run_id])

        async with runtime.session_factory() as db:
            await store_progress(db, {(run_id, 2): {"stage": "late"}})
            await store_progress(db, {(run_id, 1): {"stage": "now"}})
            await db.commit()

        assert (await lab.run_of(runtime, run_id)).progress == {"stage": "now"}


async def test_each_of_them_is_one_statement_whatever_the_number(settings: Settings) -> None:
    statements: list[str] = []
    async with lab.open_lab(settings, _many()) as runtime:
        run_ids = await _queued(runtime, 50)

        @event.listens_for(runtime.engine.sync_engine, "before_cursor_execute")
        def note(*arguments: Any) -> None:
            statements.append(arguments[2])

        claimed = await _claimed(runtime.session_factory, run_ids)
        async with runtime.session_factory() as db:
            completions = [
                Completion(run_id=run.id, attempt=run.attempt, result_summary={}) for run in claimed
            ]
            completed = await complete_runs(db, completions)
            await db.commit()

    assert len(completed) == 50
    assert len(statements) == 2
