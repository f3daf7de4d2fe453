from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from arq import Retry
from arq.utils import to_unix_ms
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from tests.core import lab
from ticketgen import Schedule
from ticketgen.domain.schedules import ScheduleFire
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.registry import RegisteredSchedule
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end
from ticketgen.worker import _cron_job, _fire_time, fire

pytestmark = pytest.mark.services

_MONDAYS = Schedule(name="weekly", task="lab", cron="15 8 * * 1")
_MONDAY = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)


def _registered(runtime: Runtime) -> RegisteredSchedule:
    return runtime.registry.schedules["lab.weekly"]


async def _count(runtime: Runtime, table: type[TaskRun] | type[ScheduleFire]) -> int:
    async with runtime.session_factory() as db:
        return await db.scalar(select(func.count()).select_from(table)) or 0


async def test_one_minute_fires_once_over_callers_at_the_same_moment(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        fired = await asyncio.gather(
            *(fire(runtime, _registered(runtime), _MONDAY) for _ in range(6))
        )

        assert sorted(fired) == [False] * 5 + [True]
        assert await _count(runtime, TaskRun) == 1


async def test_what_is_fired_is_stored_with_its_run_and_delivered(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        await fire(runtime, _registered(runtime), _MONDAY)

        async with runtime.session_factory() as db:
            row = (await db.scalars(select(ScheduleFire))).one()
        assert (row.schedule, row.fire_time) == ("lab.weekly", _MONDAY)
        assert isinstance(row.task_id, UUID)
        assert await runtime.redis.zscore("arq:queue", f"lab:{row.task_id}:1") is not None
        settled = await run_to_end(runtime, row.task_id)
        assert (settled.state, settled.requested_by) == (RunState.COMPLETED, None)


@pytest.mark.parametrize(
    "other",
    [
        _MONDAY.replace(day=24),  # a Tuesday: arq wakes by minute and hour only
        _MONDAY.replace(minute=16),
        _MONDAY.replace(hour=9),
    ],
)
async def test_a_minute_the_expression_does_not_match_fires_nothing(
    settings: Settings, other: datetime
) -> None:
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        fired = await fire(runtime, _registered(runtime), other)

        assert not fired
        assert await _count(runtime, ScheduleFire) == 0


async def test_the_next_week_fires_again(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        await fire(runtime, _registered(runtime), _MONDAY)
        async with runtime.session_factory() as db:
            [run_id] = await db.scalars(select(TaskRun.id))
        await run_to_end(runtime, run_id)

        fired = await fire(runtime, _registered(runtime), _MONDAY.replace(day=30))

        assert fired
        assert await _count(runtime, TaskRun) == 2


async def test_a_fire_whose_run_is_still_active_is_noted_with_that_run(settings: Settings) -> None:
    async with lab.open_lab(
        settings, lab.task(exclusivity="type"), schedules=[_MONDAYS]
    ) as runtime:
        first = await lab.start(runtime)

        await fire(runtime, _registered(runtime), _MONDAY)

        async with runtime.session_factory() as db:
            row = (await db.scalars(select(ScheduleFire))).one()
        assert row.task_id == first.id


async def test_arq_wakes_a_schedule_at_its_minutes_and_hours(settings: Settings) -> None:
    every = Schedule(name="weekly", task="lab", cron="*/20 6-8 * * *")
    async with lab.open_lab(settings, schedules=[every]) as runtime:
        job = _cron_job(_registered(runtime))

    assert (job.minute, job.hour, job.second) == ({0, 20, 40}, {6, 7, 8}, 0)
    assert (job.name, job.unique) == ("schedule.lab.weekly", True)


async def test_the_fire_time_is_read_from_the_id_arq_gives_a_tick(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        job = _cron_job(_registered(runtime))
    job.calculate_next(datetime(2026, 11, 23, 8, 14, 59, tzinfo=UTC))
    assert job.next_run is not None

    fire_time = _fire_time(f"{job.name}:{to_unix_ms(job.next_run)}")

    assert fire_time == _MONDAY


async def test_a_tick_that_finds_no_database_comes_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*arguments: Any) -> bool:
        raise OperationalError("SELECT 1", None, Exception("away"))

    monkeypatch.setattr("ticketgen.worker.fire", refuse)
    async with lab.open_lab(settings, schedules=[_MONDAYS]) as runtime:
        job = _cron_job(_registered(runtime))

        with pytest.raises(Retry) as again:
            await job.coroutine({"runtime": runtime, "job_id": f"{job.name}:{to_unix_ms(_MONDAY)}"})

    assert again.value.defer_score == 5_000
