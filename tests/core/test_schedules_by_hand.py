"""A schedule's task, started out of its turn."""

from __future__ import annotations

import pytest

from tests.core import lab
from tests.core.scheduling import (
    HOURLY,
    clock_at,
    count_fires,
    fires_of,
    hour,
    known_since,
    run_ids,
)
from ticketgen import Exclusivity
from ticketgen.domain import users
from ticketgen.domain.schedules import FireOutcome
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import NotFoundError
from ticketgen.settings import Settings
from ticketgen.testing import drain

pytestmark = pytest.mark.services


async def test_a_run_started_by_hand_uses_up_no_fire_time(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[HOURLY]) as runtime:
        async with runtime.session_factory() as db:
            ada = await users.create_user(db, name="ada", role=users.Role.ADMIN)
            await db.commit()

        started = await runtime.scheduler().fire_now("lab.hourly", user=ada)

        stored = await lab.run_of(runtime, started.run.id)
        assert not started.existing
        assert (stored.schedule, stored.requested_by) == ("lab.hourly", ada.id)
        assert await lab.queued_jobs(runtime) == [f"lab:{stored.id}:1"]
        assert await count_fires(runtime) == 0


async def test_while_its_run_is_active_a_start_by_hand_finds_that_one(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[HOURLY]) as runtime:
        first = await runtime.scheduler().fire_now("lab.hourly")

        second = await runtime.scheduler().fire_now("lab.hourly")

        assert (second.existing, second.run.id) == (True, first.run.id)
        assert await run_ids(runtime) == [first.run.id]


async def test_a_fire_time_overlaps_with_the_run_that_was_started_by_hand(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, hour(1))
    task = lab.task(exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, task, schedules=[HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        by_hand = await scheduler.fire_now("lab.hourly")

        started = await scheduler.fire_due()

        [row] = await fires_of(runtime, "hourly")
        assert started == []
        assert (row.outcome, row.task_id) == (FireOutcome.OVERLAPPED, by_hand.run.id)


async def test_a_fire_time_overlaps_with_a_run_of_the_schedule_that_is_tried_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_at(monkeypatch, hour(1))
    task = lab.task(handler=lab.raising(ValueError("broken")), exclusivity=Exclusivity.NONE)
    async with lab.open_lab(settings, task, schedules=[HOURLY]) as runtime:
        await known_since(runtime, hour(0))
        scheduler = runtime.scheduler()
        await scheduler.fire_now("lab.hourly")
        [failed] = await drain(runtime)
        async with runtime.unit_of_work() as work:
            again = await work.retry(failed.id)

        started = await scheduler.fire_due()

        [row] = await fires_of(runtime, "hourly")
        assert (failed.state, started) == (RunState.FAILED, [])
        assert (row.outcome, row.task_id) == (FireOutcome.OVERLAPPED, again.run.id)


async def test_of_an_unknown_schedule_the_known_ones_are_told(settings: Settings) -> None:
    async with lab.open_lab(settings, schedules=[HOURLY]) as runtime:
        with pytest.raises(NotFoundError, match=r"'lab\.daily'") as raised:
            await runtime.scheduler().fire_now("lab.daily")

    assert raised.value.recovery_actions == ("Known schedules: lab.hourly.",)
