from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from tests.core import lab
from ticketgen import Exclusivity, StageMoves, TaskContext
from ticketgen.domain import task_runs
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import ConflictError, InvalidInputError, NotFoundError
from ticketgen.maintenance import Reconciler
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.starting import TaskConflictError
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def _started(runtime: Runtime, **arguments: object) -> tuple[object, bool]:
    async with runtime.unit_of_work() as work:
        started = await work.start("lab", **arguments)  # type: ignore[arg-type]
    return started.run.id, started.existing


async def test_ten_starts_at_once_make_one_run_and_nine_get_its_id(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.session_task()) as runtime:
        session_id = await lab.new_session(runtime)

        answers = await asyncio.gather(
            *(_started(runtime, session_id=session_id) for _ in range(10))
        )

        async with runtime.session_factory() as db:
            stored = await db.scalar(select(func.count()).select_from(TaskRun))
        assert stored == 1
        assert len({run_id for run_id, _ in answers}) == 1
        assert sorted(existing for _, existing in answers) == [False] + [True] * 9


async def test_ten_starts_at_once_of_a_task_exclusive_by_type_make_one_run(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.TYPE)) as runtime:
        answers = await asyncio.gather(*(_started(runtime) for _ in range(10)))

        assert len({run_id for run_id, _ in answers}) == 1
        assert sum(existing for _, existing in answers) == 9


async def test_a_task_without_exclusivity_runs_any_number_of_times(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        answers = await asyncio.gather(*(_started(runtime) for _ in range(3)))

        assert len({run_id for run_id, _ in answers}) == 3


async def test_a_start_of_a_conflicting_task_names_the_run_that_is_in_the_way(
    settings: Settings,
) -> None:
    tasks = (
        lab.session_task("lab.one", conflict_group="tickets"),
        lab.session_task("lab.two", conflict_group="tickets"),
    )
    async with lab.open_lab(settings, *tasks) as runtime:
        session_id = await lab.new_session(runtime)
        first = await lab.start(runtime, "lab.one", session_id=session_id)

        with pytest.raises(TaskConflictError) as refused:
            await lab.start(runtime, "lab.two", session_id=session_id)

        assert refused.value.status == 409
        assert refused.value.technical_details["task_id"] == str(first.id)
        assert "lab.one" in refused.value.message
        assert str(first.id) in refused.value.recovery_actions[0]


async def test_conflicting_starts_at_once_let_one_through(settings: Settings) -> None:
    tasks = (
        lab.session_task("lab.one", conflict_group="tickets"),
        lab.session_task("lab.two", conflict_group="tickets"),
    )
    async with lab.open_lab(settings, *tasks) as runtime:
        session_id = await lab.new_session(runtime)

        answers = await asyncio.gather(
            *(
                lab.start(runtime, name, session_id=session_id)
                for name in ["lab.one", "lab.two"] * 3
            ),
            return_exceptions=True,
        )

        refused = [answer for answer in answers if isinstance(answer, TaskConflictError)]
        types = {answer.task_type for answer in answers if isinstance(answer, TaskRun)}
        assert len(refused) == 3
        assert len(types) == 1


async def test_a_stage_that_does_not_allow_the_start_is_a_conflict(settings: Settings) -> None:
    stages = StageMoves(allowed=(Stage.REVIEW,), on_start=Stage.PROCESSING)
    async with lab.open_lab(settings, lab.session_task(stages=stages)) as runtime:
        session_id = await lab.new_session(runtime, stage=Stage.UPLOAD)

        with pytest.raises(ConflictError, match="needs the session in stage `review`"):
            await lab.start(runtime, session_id=session_id)

        assert await lab.stage_of(runtime, session_id) is Stage.UPLOAD


async def test_after_the_end_of_a_run_a_start_makes_a_new_one(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.session_task()) as runtime:
        session_id = await lab.new_session(runtime)
        first = await lab.start(runtime, session_id=session_id)
        await run_to_end(runtime, first.id)

        second = await lab.start(runtime, session_id=session_id)

        assert second.id != first.id
        assert second.lineage_id == second.id


async def test_a_start_that_rolls_back_leaves_neither_run_nor_audit_nor_job(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:

        async def start_and_fail() -> None:
            async with runtime.unit_of_work() as work:
                await work.start("lab")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await start_and_fail()

        async with runtime.session_factory() as db:
            runs = await db.scalar(select(func.count()).select_from(TaskRun))
            entries = await db.scalar(select(func.count()).select_from(AuditEntry))
        assert (runs, entries) == (0, 0)
        assert await runtime.redis.zcard("arq:queue") == 0


async def test_a_start_is_audited_and_delivered_as_json(settings: Settings) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime, request=lab.Note(note="payload stays in the row"))

        async with runtime.session_factory() as db:
            actions = list(await db.scalars(select(AuditEntry.action)))
        assert actions == ["run.started"]
        assert await runtime.redis.zrange("arq:queue", 0, -1) == [f"lab:{run.id}:1".encode()]


async def test_what_does_not_fit_the_task_is_refused_with_a_reason(settings: Settings) -> None:
    tasks = (lab.task(), lab.session_task("lab.about"))
    async with lab.open_lab(settings, *tasks) as runtime:
        session_id = await lab.new_session(runtime)

        with pytest.raises(InvalidInputError, match="not about a session"):
            await lab.start(runtime, "lab", session_id=session_id)
        with pytest.raises(InvalidInputError, match="needs a session"):
            await lab.start(runtime, "lab.about")
        with pytest.raises(NotFoundError, match="offers the task 'nobody'"):
            await lab.start(runtime, "nobody")


async def test_a_start_with_redis_away_is_stored_and_delivered_when_redis_is_back(
    settings: Settings, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", settings.reconcile_interval * 0)
    async with lab.open_lab(settings) as runtime:
        reconciler = Reconciler(settler=runtime.settler)
        servers.kill_redis()
        try:
            run = await lab.start(runtime)
        finally:
            servers.start_redis()
        assert (await lab.run_of(runtime, run.id)).state is RunState.QUEUED
        assert await runtime.redis.zcard("arq:queue") == 0

        await reconciler.reconcile()

        assert await runtime.redis.zrange("arq:queue", 0, -1) == [f"lab:{run.id}:2".encode()]


async def test_many_runs_are_started_by_one_call_and_every_one_is_delivered(
    settings: Settings,
) -> None:
    many = lab.task(exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, many) as runtime:
        notes = [lab.Note(note=str(number)) for number in range(2_500)]

        async with runtime.unit_of_work() as work:
            run_ids = await work.start_many("lab", notes)

        async with runtime.session_factory() as db:
            runs = {run.id: run for run in await task_runs.list_runs(db, limit=3_000)}
        assert [runs[run_id].payload for run_id in run_ids] == [note.model_dump() for note in notes]
        assert [runs[run_id].request for run_id in run_ids] == [note.model_dump() for note in notes]
        assert all(runs[run_id].lineage_id == run_id for run_id in run_ids)
        assert await runtime.redis.zcard("arq:queue") == 2_500
        await lab.runner_of(runtime).run(run_ids[0])
        settled = await lab.run_of(runtime, run_ids[0])
        assert settled.result_summary == {"note": "0", "attempt": 1}


async def test_of_many_that_are_started_the_audit_has_one_entry(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        async with runtime.unit_of_work() as work:
            run_ids = await work.start_many("lab", [lab.Note(), {"note": "two"}])

        async with runtime.session_factory() as db:
            [entry] = await db.scalars(select(AuditEntry))
        assert entry.action == "runs.started"
        assert entry.details == {
            "task_type": "lab",
            "count": 2,
            "first": str(run_ids[0]),
            "last": str(run_ids[1]),
        }


async def test_of_many_that_are_started_all_or_none_are_stored(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as runtime:
        with pytest.raises(InvalidInputError, match="note"):
            async with runtime.unit_of_work() as work:
                await work.start_many("lab", [lab.Note(), {"note": 7}])

        async with runtime.session_factory() as db:
            assert await task_runs.list_runs(db) == []


async def test_a_task_that_runs_once_at_a_time_is_not_started_many_times(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings, lab.task()) as runtime, runtime.unit_of_work() as work:
        with pytest.raises(InvalidInputError, match="once at a time") as refused:
            await work.start_many("lab", [lab.Note()])

    assert refused.value.recovery_actions


async def test_a_handler_starts_many_runs(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        run_ids = await ctx.start_many("lab.other", [lab.Note(note=word) for word in "abc"])
        return {"started": [str(run_id) for run_id in run_ids]}

    other = lab.task("lab.other", exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, lab.task(handler=handler), other) as runtime:
        run = await lab.start(runtime)
        await lab.runner_of(runtime).run(run.id)

        summary = (await lab.run_of(runtime, run.id)).result_summary or {}
        notes = [
            (await lab.run_of(runtime, UUID(run_id))).payload["note"]
            for run_id in summary["started"]
        ]
        assert notes == ["a", "b", "c"]
