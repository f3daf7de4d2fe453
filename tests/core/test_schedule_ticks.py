"""When a schedule is looked at: by the loop of each process, and by ticks of arq; in its zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from arq import Retry
from sqlalchemy.exc import OperationalError

from tests.core import lab
from tests.core.scheduling import (
    HOURLY,
    MONDAY,
    WEEKLY,
    clock_at,
    count_fires,
    hour,
    known_since,
    outcomes_of,
    run_ids,
)
from ticketgen import Exclusivity, Overlap, Schedule
from ticketgen.database import DatabaseUnavailableError
from ticketgen.errors import TemporaryError
from ticketgen.registry import RegisteredSchedule
from ticketgen.runtime import Runtime
from ticketgen.scheduler import Scheduler
from ticketgen.settings import Settings
from ticketgen.worker import _cron_job

pytestmark = pytest.mark.services


def _spring(hours: int, minutes: int = 0) -> datetime:
    return datetime(2026, 3, 29, hours, minutes, tzinfo=UTC)


def _autumn(hours: int, minutes: int = 0) -> datetime:
    return datetime(2026, 10, 25, hours, minutes, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "expected"),
    [
        pytest.param(
            "30 2 * * *", "Europe/Berlin", _spring(0), [_spring(1)], id="a time that is skipped"
        ),
        pytest.param(
            "30 2 * * *", "Europe/Berlin", _autumn(0), [_autumn(0, 30)], id="a time shown twice"
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            _autumn(0),
            [_autumn(0, 30), _autumn(1, 30), _autumn(2, 30)],
            id="every hour of a longer night",
        ),
        pytest.param(
            "30 * * * *",
            "Europe/Berlin",
            _spring(0),
            [_spring(0, 30), _spring(1, 30), _spring(2, 30)],
            id="every hour of a shorter night",
        ),
        pytest.param(
            "15 8 * * *", "Asia/Kathmandu", _autumn(1), [_autumn(2, 30)], id="a quarter of an hour"
        ),
    ],
)
async def test_a_schedule_fires_by_the_clock_of_its_zone(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    cron: str,
    zone: str,
    begin: datetime,
    expected: list[datetime],
) -> None:
    clock = clock_at(monkeypatch, begin)
    schedule = Schedule(name="local", task="lab", cron=cron, zone=zone, overlap=Overlap.ALLOW)
    task = lab.task(exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, task, schedules=[schedule]) as runtime:
        await known_since(runtime, begin)
        scheduler = runtime.scheduler()

        for quarter in range(13):
            clock.now = begin + quarter * timedelta(minutes=15)
            started = await scheduler.fire_due()
            assert bool(started) is (clock.now in expected)

        assert sorted(await outcomes_of(runtime, "local")) == expected


async def test_whoever_reconciles_fires_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, MONDAY)
    settings = settings.model_copy(update={"reconcile_interval": timedelta(seconds=0.05)})
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))

        async with runtime.reconciling():
            await lab.until(lambda: run_ids(runtime))

        assert len(await run_ids(runtime)) == 1


def _registered(runtime: Runtime) -> RegisteredSchedule:
    return runtime.registry.schedules["lab.weekly"]


@pytest.mark.parametrize(
    ("zone", "minutes", "hours"),
    [
        ("UTC", {0, 20, 40}, {6, 7, 8}),
        ("Asia/Kathmandu", set(range(60)), set(range(24))),
    ],
)
async def test_arq_ticks_whenever_a_schedule_may_be_due(
    settings: Settings, zone: str, minutes: set[int], hours: set[int]
) -> None:
    often = replace(WEEKLY, cron="*/20 6-8 * * *", zone=zone)
    async with lab.open_lab(settings, schedules=[often]) as runtime:
        job = _cron_job(_registered(runtime))

    assert (job.minute, job.hour, job.second) == (minutes, hours, 0)
    assert (job.name, job.unique) == ("schedule.lab.weekly", True)


async def test_a_tick_fires_its_own_schedule_if_it_is_due(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, MONDAY - timedelta(minutes=1))
    async with lab.open_lab(settings, schedules=[WEEKLY, HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        job, context = _cron_job(_registered(runtime)), {"scheduler": runtime.scheduler()}

        await job.coroutine(context)
        before = await count_fires(runtime)
        clock.now = MONDAY
        await job.coroutine(context)
        await job.coroutine(context)

        assert before == 0
        assert len(await run_ids(runtime)) == 1
        assert await outcomes_of(runtime, "hourly") == {}


@pytest.mark.parametrize(
    "error",
    [
        TemporaryError("Not yet."),
        DatabaseUnavailableError("The database could not be reached."),
        OperationalError("SELECT 1", None, Exception("away")),
        ConnectionRefusedError("away"),
    ],
)
async def test_a_tick_that_could_not_fire_at_present_comes_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fire_due(self: Scheduler, *, only: str | None = None) -> None:
        raise error

    monkeypatch.setattr(Scheduler, "fire_due", fire_due)
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        job = _cron_job(_registered(runtime))

        with pytest.raises(Retry) as again:
            await job.coroutine({"scheduler": runtime.scheduler()})

    assert again.value.defer_score == 5_000
