"""What fires, once, and what is recorded of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text
from structlog.testing import capture_logs

from tests.core import lab
from tests.core.scheduling import (
    HOURLY,
    MONDAY,
    WEEKLY,
    clock_at,
    count_fires,
    fires_of,
    hour,
    known_since,
    outcomes_of,
    run_ids,
)
from ticketgen import Exclusivity, Overlap, Schedule, StartContext
from ticketgen.domain import schedules
from ticketgen.domain.schedules import FireOutcome, KnownSchedule, ScheduleFire
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import InvalidInputError, NotFoundError, TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services

_BESIDE = replace(HOURLY, overlap=Overlap.ALLOW)
_ANY_NUMBER: dict[str, Any] = {"exclusivity": Exclusivity.NONE}

Prepare = Callable[[StartContext, lab.Note], Awaitable[lab.Note]]


def _refusing(*errors: BaseException) -> Prepare:
    """What raises these one after another, and then nothing more."""
    left = list(errors)

    async def prepare(start: StartContext, request: lab.Note) -> lab.Note:
        if left:
            raise left.pop(0)
        return request

    return prepare


async def _since(runtime: Runtime, schedule: str) -> timedelta:
    """For how long the schedule counts as known."""
    async with runtime.session_factory() as db:
        age = await db.scalar(
            select(func.clock_timestamp() - KnownSchedule.since).where(
                KnownSchedule.name == f"lab.{schedule}"
            )
        )
    assert isinstance(age, timedelta)
    return age


async def test_a_fire_time_starts_one_run_over_eight_schedulers_at_the_same_moment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(0))
    async with lab.open_lab(settings, lab.task(**_ANY_NUMBER), schedules=[_BESIDE]) as runtime:
        await known_since(runtime, hour(0))
        schedulers = [runtime.scheduler() for _ in range(8)]

        started = []
        for number in range(1, 7):
            clock.now = hour(number)
            answers = await asyncio.gather(*(scheduler.fire_due() for scheduler in schedulers))
            started.append([run_id for answer in answers for run_id in answer])

        assert [len(ids) for ids in started] == [1] * 6
        assert await run_ids(runtime) == [ids[0] for ids in started]
        assert await outcomes_of(runtime, "hourly") == {
            hour(number): FireOutcome.STARTED for number in range(1, 7)
        }


async def test_who_finds_a_schedule_in_other_hands_goes_on_without_waiting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, MONDAY)
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        async with runtime.session_factory() as other:
            held = await schedules.hold_schedule(other, "lab.weekly")
            meanwhile = await scheduler.fire_due()
        afterwards = await scheduler.fire_due()

        assert (held, meanwhile, len(afterwards)) == (True, [], 1)


async def test_what_is_fired_is_stored_with_its_run_and_delivered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, MONDAY)
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))

        [run_id] = await runtime.scheduler().fire_due()

        [row] = await fires_of(runtime, "weekly")
        assert (row.fire_time, row.outcome, row.task_id) == (MONDAY, FireOutcome.STARTED, run_id)
        assert await lab.queued_jobs(runtime) == [f"lab:{run_id}:1"]
        settled = await run_to_end(runtime, run_id)
        assert (settled.state, settled.requested_by) == (RunState.COMPLETED, None)
        assert settled.schedule == "lab.weekly"


async def test_a_schedule_fires_at_its_time_and_not_before_and_not_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, MONDAY)
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        fired = {}

        for moment in (
            MONDAY - timedelta(milliseconds=1),
            MONDAY,
            MONDAY + timedelta(milliseconds=1),
            MONDAY + timedelta(days=1),
            MONDAY + timedelta(days=7),
        ):
            clock.now = moment
            fired[moment] = await scheduler.fire_due()
            for run_id in fired[moment]:
                await run_to_end(runtime, run_id)

        assert [len(ids) for ids in fired.values()] == [0, 1, 0, 0, 1]


async def test_no_time_before_a_schedule_was_first_met_counts(settings: Settings) -> None:
    every_minute = Schedule(name="always", task="lab", cron="* * * * *")
    async with lab.open_lab(settings, schedules=[every_minute, WEEKLY]) as runtime:
        started = await runtime.scheduler().fire_due(only="lab.weekly")

        assert started == []
        assert await _since(runtime, "weekly") < timedelta(minutes=1)
        async with runtime.session_factory() as db:
            [known] = await db.scalars(select(KnownSchedule))
        assert (known.name, known.cron, known.zone) == ("lab.weekly", WEEKLY.cron, "UTC")


@pytest.mark.parametrize("changes", [{"cron": "0 9 * * *"}, {"zone": "Europe/Berlin"}])
async def test_a_changed_schedule_counts_from_its_change(
    settings: Settings, changes: dict[str, str]
) -> None:
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, MONDAY - timedelta(days=3000))
    changed: Schedule = replace(WEEKLY, **changes)  # type: ignore[arg-type]
    async with lab.open_lab(settings, schedules=[changed]) as runtime:
        started = await runtime.scheduler().fire_due()

        assert started == []
        assert await _since(runtime, "weekly") < timedelta(minutes=1)


async def test_a_schedule_that_stayed_the_same_counts_as_before(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, MONDAY - timedelta(days=3000))

        started = await runtime.scheduler().fire_due()

        assert len(started) == 1
        assert await _since(runtime, "weekly") > timedelta(days=1000)


async def test_a_schedule_that_the_database_has_forgotten_is_stored_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(8))
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        await scheduler.fire_due()
        async with runtime.session_factory() as db:
            await db.execute(delete(KnownSchedule))
            await db.commit()

        before = await scheduler.fire_due()
        clock.now = datetime.now(UTC) + timedelta(days=8)
        after = await scheduler.fire_due()

        assert (len(before), len(after)) == (0, 1)


async def _hurt_transaction(start: StartContext, request: lab.Note) -> lab.Note:
    await start.db.execute(text("SELECT 1 / 0"))
    return request


@pytest.mark.parametrize(
    "prepare",
    [
        _refusing(InvalidInputError("Not today.")),
        _refusing(KeyError("today")),
        _refusing(SystemExit(1)),
        _hurt_transaction,
    ],
    ids=["an error", "a fault", "an exit", "a hurt transaction"],
)
async def test_a_start_that_is_refused_is_recorded_and_the_others_fire(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, prepare: Prepare
) -> None:
    clock_at(monkeypatch, MONDAY)
    tasks = (lab.task("lab.refusing", prepare=prepare), lab.task())
    refused = replace(WEEKLY, name="refused", task="lab.refusing")
    async with lab.open_lab(settings, *tasks, schedules=[refused, WEEKLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        with capture_logs() as logs:
            started = await scheduler.fire_due()
        again = await scheduler.fire_due()

        [row] = await fires_of(runtime, "refused")
        assert (row.fire_time, row.outcome, row.task_id) == (MONDAY, FireOutcome.REFUSED, None)
        assert await outcomes_of(runtime, "weekly") == {MONDAY: FireOutcome.STARTED}
        assert (len(started), again) == (1, [])
        assert await run_ids(runtime) == started
        [told] = [line for line in logs if line["event"] == "schedule_refused"]
        assert (told["schedule"], told["task"]) == ("lab.refused", "lab.refusing")


async def test_after_a_refused_fire_time_the_next_one_fires(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(1))
    task = lab.task(prepare=_refusing(InvalidInputError("Not now.")))
    async with lab.open_lab(settings, task, schedules=[HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        await scheduler.fire_due()
        clock.now = hour(2)
        await scheduler.fire_due()

        assert await outcomes_of(runtime, "hourly") == {
            hour(1): FireOutcome.REFUSED,
            hour(2): FireOutcome.STARTED,
        }


@pytest.mark.parametrize("error", [TemporaryError("Not yet."), ConnectionResetError("gone")])
async def test_what_cannot_be_started_at_present_stays_due_and_the_others_fire(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    clock_at(monkeypatch, MONDAY)
    tasks = (lab.task("lab.later", prepare=_refusing(error)), lab.task())
    later = replace(WEEKLY, name="later", task="lab.later")
    async with lab.open_lab(settings, *tasks, schedules=[later, WEEKLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()

        with pytest.raises(TemporaryError):
            await scheduler.fire_due()
        at_first = await outcomes_of(runtime, "later"), await outcomes_of(runtime, "weekly")
        started = await scheduler.fire_due()

        assert at_first == ({}, {MONDAY: FireOutcome.STARTED})
        assert await outcomes_of(runtime, "later") == {MONDAY: FireOutcome.STARTED}
        assert len(started) == 1


async def _dawdle(start: StartContext, request: lab.Note) -> lab.Note:
    await asyncio.sleep(1_000)
    return request


async def test_a_start_that_takes_too_long_is_broken_off_and_stays_due(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, MONDAY)
    monkeypatch.setattr("ticketgen.scheduler._START_LIMIT", timedelta(seconds=0.1))
    async with lab.open_lab(settings, lab.task(prepare=_dawdle), schedules=[WEEKLY]) as runtime:
        await known_since(runtime, hour(0))

        with pytest.raises(TemporaryError, match="took longer than"):
            await runtime.scheduler().fire_due()

        assert await count_fires(runtime) == 0


async def test_a_schedule_of_a_plugin_that_is_not_installed_any_more_does_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, MONDAY)
    async with lab.open_lab(settings, schedules=[WEEKLY, HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        await runtime.scheduler().fire_due(only="lab.weekly")
    clock.now += timedelta(days=30)
    async with lab.open_lab(settings) as runtime:
        scheduler = runtime.scheduler()

        started = await scheduler.fire_due()

        assert started == []
        assert await count_fires(runtime) == 1
        with pytest.raises(NotFoundError, match=r"'lab\.weekly'"):
            await scheduler.fire_due(only="lab.weekly")


def _fired(schedule: str, *, days_ago: int) -> ScheduleFire:
    ago = timedelta(days=days_ago)
    return ScheduleFire(
        schedule=schedule,
        fire_time=MONDAY - ago,
        recorded_at=func.clock_timestamp() - ago,
    )


async def test_old_fire_times_are_forgotten_hourly_but_not_the_last_of_a_schedule(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at(monkeypatch, hour(0))
    async with lab.open_lab(settings, schedules=[WEEKLY]) as runtime:
        scheduler = runtime.scheduler()
        left = []
        for schedule, days, later in (
            ("lab.weekly", (89, 91, 98), timedelta(0)),
            ("lab.rare", (400,), timedelta(hours=1)),
            ("lab.gone", (91, 98), timedelta(minutes=59)),
            ("lab.late", (91, 98), timedelta(minutes=1)),
        ):
            async with runtime.session_factory() as db:
                db.add_all(_fired(schedule, days_ago=ago) for ago in days)
                await db.commit()
            clock.now += later
            await scheduler.fire_due()
            left.append(await count_fires(runtime))

        assert left == [1, 2, 4, 4]
