from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from tests.core import lab
from tests.core.api.expecting import refused
from tests.core.scheduling import MONDAY
from ticketgen import Schedule
from ticketgen.domain.schedules import FireOutcome, ScheduleFire
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api

pytestmark = pytest.mark.services

_LEAP_DAYS = Schedule(
    name="leap_days",
    task="lab",
    cron="30 2 29 2 *",
    zone="Europe/Berlin",
    summary="Comes every four years.",
)


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    async with lab.open_lab(settings, schedules=[_LEAP_DAYS]) as opened:
        yield opened


async def _listed(api: Api) -> dict[str, object]:
    answer = await api.client.get("/api/schedules", headers=api.as_admin)
    assert answer.status_code == 200, answer.text
    [schedule] = answer.json()
    found: dict[str, object] = schedule
    return found


async def test_a_schedule_is_listed_as_the_plugin_declares_it(api: Api) -> None:
    schedule = await _listed(api)

    assert schedule == {
        "name": "lab.leap_days",
        "task": "lab",
        "summary": "Comes every four years.",
        "cron": "30 2 29 2 *",
        "zone": "Europe/Berlin",
        "overlap": "skip",
        "misfire": "once",
        "next_fires": schedule["next_fires"],
        "last_fire": None,
    }


async def test_the_next_fire_times_are_told_in_utc_and_by_the_zones_clock(api: Api) -> None:
    answer = await api.client.get("/api/schedules", headers=api.as_admin)

    fires = answer.json()[0]["next_fires"]
    local = [datetime.fromisoformat(fire["local"]) for fire in fires]
    assert len(fires) == 3
    assert [datetime.fromisoformat(fire["utc"]) for fire in fires] == local
    assert all(fire["utc"].endswith("-29T01:30:00Z") for fire in fires)
    assert all(fire["local"].endswith("-29T02:30:00+01:00") for fire in fires)
    assert local == sorted(local)


async def test_the_last_fire_time_is_told_with_what_came_of_it(api: Api) -> None:
    run = await lab.start(api.runtime)
    async with api.runtime.session_factory() as db:
        for day, outcome in ((22, FireOutcome.MISSED), (23, FireOutcome.OVERLAPPED)):
            db.add(
                ScheduleFire(
                    schedule="lab.leap_days",
                    fire_time=MONDAY.replace(day=day),
                    outcome=outcome,
                    task_id=run.id,
                )
            )
        await db.commit()

    last = (await _listed(api))["last_fire"]

    assert isinstance(last, dict)
    assert (last["outcome"], last["task_id"]) == ("overlapped", str(run.id))
    assert datetime.fromisoformat(last["fire_time"]) == MONDAY


async def test_schedules_are_shown_to_administrators_only(api: Api) -> None:
    member = await api.client.get("/api/schedules")
    nobody = await api.client.get("/api/schedules", headers={"Authorization": ""})

    refused(member, 403, "permission_denied")
    refused(nobody, 401, "authentication")
