"""What becomes of fire times that overlap, and of those at which nobody was there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core import lab
from tests.core.scheduling import (
    HOURLY,
    clock_at,
    fires_of,
    hour,
    known_since,
    outcomes_of,
    run_ids,
)
from ticketgen import Exclusivity, Misfire, Overlap, Schedule
from ticketgen.domain.schedules import FireOutcome
from ticketgen.settings import Settings
from ticketgen.testing import drain

pytestmark = pytest.mark.services

_WAITING = replace(HOURLY, overlap=Overlap.WAIT)
_SKIPPING = replace(HOURLY, misfire=Misfire.SKIP)


async def test_a_missed_night_fires_once_when_somebody_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(7, 59))
    daily = Schedule(name="daily", task="lab", cron="0 8 * * *")
    async with lab.open_lab(settings, schedules=[daily]) as runtime:
        await known_since(runtime, hour(0))
        before = await runtime.scheduler().fire_due()
        clock.now = hour(11)

        back = [
            await runtime.scheduler().fire_due(),
            await runtime.scheduler().fire_due(),
        ]

        assert (before, [len(ids) for ids in back]) == ([], [1, 0])
        assert await outcomes_of(runtime, "daily") == {hour(8): FireOutcome.STARTED}


async def test_one_run_makes_up_for_all_that_were_missed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, hour(4, 30))
    async with lab.open_lab(settings, schedules=[HOURLY]) as runtime:
        await known_since(runtime, hour(0))

        started = await runtime.scheduler().fire_due()

        assert len(started) == 1
        assert await outcomes_of(runtime, "hourly") == {
            hour(1): FireOutcome.MISSED,
            hour(2): FireOutcome.MISSED,
            hour(3): FireOutcome.MISSED,
            hour(4): FireOutcome.STARTED,
        }


async def test_missed_fire_times_are_let_go_and_the_next_one_comes_in_its_turn(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(2, 30))
    async with lab.open_lab(settings, schedules=[_SKIPPING]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        missed = await scheduler.fire_due()
        clock.now = hour(3)
        on_time = await scheduler.fire_due()

        assert (len(missed), len(on_time)) == (0, 1)
        assert await outcomes_of(runtime, "hourly") == {
            hour(1): FireOutcome.MISSED,
            hour(2): FireOutcome.MISSED,
            hour(3): FireOutcome.STARTED,
        }


@pytest.mark.parametrize(
    ("late", "outcome"),
    [
        (timedelta(minutes=10), FireOutcome.STARTED),
        (timedelta(minutes=10, milliseconds=1), FireOutcome.MISSED),
    ],
)
async def test_within_its_grace_a_fire_time_is_on_time(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, late: timedelta, outcome: FireOutcome
) -> None:
    clock_at(monkeypatch, hour(1) + late)
    patient = replace(_SKIPPING, misfire_grace=timedelta(minutes=10))
    async with lab.open_lab(settings, schedules=[patient]) as runtime:
        await known_since(runtime, hour(0))

        await runtime.scheduler().fire_due()

        assert await outcomes_of(runtime, "hourly") == {hour(1): outcome}


async def test_a_rare_fire_time_is_made_up_for_however_long_nobody_was_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, hour(0))
    monthly = Schedule(name="monthly", task="lab", cron="0 6 1 * *")
    async with lab.open_lab(settings, schedules=[monthly]) as runtime:
        await known_since(runtime, hour(0).replace(day=1))

        started = await runtime.scheduler().fire_due()

        assert len(started) == 1
        assert await outcomes_of(runtime, "monthly") == {
            hour(6).replace(day=1): FireOutcome.STARTED
        }


async def test_after_a_long_silence_the_newest_thousand_are_recorded(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, hour(0))
    always = Schedule(name="always", task="lab", cron="* * * * *")
    async with lab.open_lab(settings, schedules=[always]) as runtime:
        await known_since(runtime, hour(0) - timedelta(days=365))

        started = await runtime.scheduler().fire_due()

        outcomes = await outcomes_of(runtime, "always")
        assert (len(started), len(outcomes)) == (1, 1000)
        assert max(outcomes) == hour(0)


async def test_a_fire_time_while_a_run_is_active_is_recorded_with_that_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(1))
    task = lab.task(exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, task, schedules=[HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        [first] = await scheduler.fire_due()

        clock.now = hour(2)
        beside = await scheduler.fire_due()
        await drain(runtime)
        clock.now = hour(3)
        after = await scheduler.fire_due()

        assert (len(beside), len(after)) == (0, 1)
        assert [(row.outcome, row.task_id) for row in await fires_of(runtime, "hourly")] == [
            (FireOutcome.STARTED, first),
            (FireOutcome.OVERLAPPED, first),
            (FireOutcome.STARTED, after[0]),
        ]


async def test_one_run_waits_for_the_earlier_one_however_many_times_came_by(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(1))
    async with lab.open_lab(settings, schedules=[_WAITING]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        started = [await scheduler.fire_due()]

        for number in (2, 3):
            clock.now = hour(number)
            started.append(await scheduler.fire_due())
        waiting = await outcomes_of(runtime, "hourly")
        await drain(runtime)
        started.append(await scheduler.fire_due())
        await drain(runtime)
        started.append(await scheduler.fire_due())

        assert waiting == {
            hour(1): FireOutcome.STARTED,
            hour(2): FireOutcome.OVERLAPPED,
            hour(3): FireOutcome.WAITING,
        }
        assert [len(ids) for ids in started] == [1, 0, 0, 1, 0]
        assert (await outcomes_of(runtime, "hourly"))[hour(3)] is FireOutcome.STARTED


@pytest.mark.parametrize("misfire", list(Misfire))
async def test_a_run_that_waits_is_not_forgotten_over_an_outage(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, misfire: Misfire
) -> None:
    clock = clock_at(monkeypatch, hour(1))
    schedule = replace(_WAITING, misfire=misfire)
    async with lab.open_lab(settings, schedules=[schedule]) as runtime:
        await known_since(runtime, hour(0))
        await runtime.scheduler().fire_due()
        clock.now = hour(2)
        await runtime.scheduler().fire_due()

        clock.now = hour(5, 30)
        at_first = await runtime.scheduler().fire_due()
        await drain(runtime)
        then = [await runtime.scheduler().fire_due()]
        await drain(runtime)
        then.append(await runtime.scheduler().fire_due())

        assert (at_first, [len(ids) for ids in then]) == ([], [1, 0])
        assert await outcomes_of(runtime, "hourly") == {
            hour(1): FireOutcome.STARTED,
            hour(2): FireOutcome.OVERLAPPED,
            hour(3): FireOutcome.OVERLAPPED,
            hour(4): FireOutcome.OVERLAPPED,
            hour(5): FireOutcome.STARTED,
        }


async def test_a_run_that_waits_starts_also_if_the_policy_has_changed_since(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(1))
    async with lab.open_lab(settings, schedules=[_WAITING]) as runtime:
        await known_since(runtime, hour(0))
        await runtime.scheduler().fire_due()
        clock.now = hour(2)
        await runtime.scheduler().fire_due()
    async with lab.open_lab(settings, schedules=[HOURLY]) as runtime:
        at_first = await runtime.scheduler().fire_due()
        await drain(runtime)

        started = await runtime.scheduler().fire_due()

        assert (at_first, len(started)) == ([], 1)
        assert (await outcomes_of(runtime, "hourly"))[hour(2)] is FireOutcome.STARTED


async def test_runs_that_may_overlap_start_beside_each_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(0))
    task = lab.task(exclusivity=Exclusivity.NONE)
    allowing = replace(HOURLY, overlap=Overlap.ALLOW)
    async with lab.open_lab(settings, task, schedules=[allowing]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        for number in (1, 2, 3):
            clock.now = hour(number)
            await scheduler.fire_due()

        assert set((await outcomes_of(runtime, "hourly")).values()) == {FireOutcome.STARTED}
        assert len(await run_ids(runtime)) == 3


@pytest.mark.parametrize(
    ("schedule", "at_first", "in_the_end"),
    [
        (HOURLY, FireOutcome.OVERLAPPED, FireOutcome.OVERLAPPED),
        (_WAITING, FireOutcome.WAITING, FireOutcome.STARTED),
    ],
)
async def test_a_run_of_the_task_that_somebody_started_overlaps_where_only_one_may_be_active(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    schedule: Schedule,
    at_first: FireOutcome,
    in_the_end: FireOutcome,
) -> None:
    clock_at(monkeypatch, hour(1))
    async with lab.open_lab(settings, schedules=[schedule]) as runtime:
        await known_since(runtime, hour(0))
        somebodys = await lab.start(runtime)

        await runtime.scheduler().fire_due()
        await runtime.scheduler().fire_due()

        [row] = await fires_of(runtime, "hourly")
        assert (row.outcome, row.task_id) == (at_first, somebodys.id)
        await drain(runtime)
        await runtime.scheduler().fire_due()
        assert await outcomes_of(runtime, "hourly") == {hour(1): in_the_end}
