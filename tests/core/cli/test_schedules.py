from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from tests.core import lab
from tests.core.scheduling import HOURLY, MONDAY, WEEKLY, count_fires
from ticketgen import Schedule
from ticketgen.cli.main import app
from ticketgen.domain.schedules import FireOutcome, ScheduleFire
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of

pytestmark = pytest.mark.services

_NIGHTLY = Schedule(
    name="nightly", task="lab", cron="30 2 * * *", zone="Asia/Kathmandu", summary="Looks [twice]."
)


@pytest.fixture
def schedules() -> list[Schedule]:
    return [_NIGHTLY, WEEKLY]


@pytest.fixture
async def runtime(
    settings: Settings, schedules: list[Schedule], clean_environment: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """A host with these schedules, which the commands find too."""
    plugin = lab.lab_plugin(schedules=schedules)
    clean_environment.setattr("ticketgen.runtime.attached_settings", lambda: settings)
    clean_environment.setattr(
        "ticketgen.runtime.load_registry", lambda _: registry_of(settings, plugin)
    )
    clean_environment.setenv("COLUMNS", "80")
    async with lab.open_lab(settings, schedules=schedules) as opened:
        yield opened


async def _done(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["schedules", *arguments])


async def _said(*arguments: str) -> str:
    result = await _done(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def _fired(runtime: Runtime) -> UUID:
    """Let the weekly schedule have fired on that Monday, and give the id of its run."""
    run = await lab.start(runtime)
    async with runtime.session_factory() as db:
        db.add(ScheduleFire(schedule="lab.weekly", fire_time=MONDAY, task_id=run.id))
        await db.commit()
    return run.id


async def test_schedules_are_listed_with_what_comes_and_what_was(runtime: Runtime) -> None:
    run_id = await _fired(runtime)

    lines = (await _said()).splitlines()

    assert lines[0] == "lab.nightly  30 2 * * *  Asia/Kathmandu  Looks [twice]."
    assert [line.split()[0] for line in lines[1:5]] == ["next", "next", "next", "last"]
    assert all("02:30 +0545  (" in line and "20:45 UTC)" in line for line in lines[1:4])
    assert lines[4] == "  last  none yet"
    assert lines[5] == "lab.weekly  15 8 * * 1  UTC"
    assert all(line.endswith("08:15 UTC") for line in lines[6:9])
    assert lines[9] == f"  last  2026-11-23 08:15 UTC  started  {run_id}"


async def test_schedules_are_listed_as_json(runtime: Runtime) -> None:
    run_id = await _fired(runtime)

    nightly, weekly = json.loads(await _said("--json"))

    times = [datetime.fromisoformat(fire["utc"]) for fire in nightly["next_fires"]]
    local = [datetime.fromisoformat(fire["local"]) for fire in nightly["next_fires"]]
    assert (nightly["name"], nightly["zone"]) == ("lab.nightly", "Asia/Kathmandu")
    assert datetime.now(UTC) - timedelta(seconds=5) < times[0]
    assert [later - earlier for earlier, later in pairwise(times)] == [timedelta(days=1)] * 2
    assert local == times
    assert {(moment.hour, moment.minute) for moment in local} == {(2, 30)}
    assert nightly["last_fire"] is None
    assert weekly["last_fire"]["outcome"] == FireOutcome.STARTED
    assert weekly["last_fire"]["task_id"] == str(run_id)


@pytest.mark.parametrize("schedules", [[]])
async def test_without_a_schedule_the_command_says_so(
    runtime: Runtime, schedules: list[Schedule]
) -> None:
    assert await _said() == "No plugin brings a schedule.\n"
    assert json.loads(await _said("--json")) == []


async def test_a_schedule_is_run_now_and_the_id_of_its_run_is_all_that_is_printed(
    runtime: Runtime,
) -> None:
    said = await _said("run", "lab.weekly")

    run = await lab.run_of(runtime, UUID(said.strip()))
    assert said == f"{run.id}\n"
    assert (run.schedule, run.task_type) == ("lab.weekly", "lab")
    assert await lab.queued_jobs(runtime) == [f"lab:{run.id}:1"]
    assert await count_fires(runtime) == 0


async def test_if_its_task_is_at_work_that_run_is_named(runtime: Runtime) -> None:
    running = await lab.start(runtime)

    done = await _done("run", "lab.weekly")

    assert done.stdout == f"{running.id}\n"
    assert "at work already" in done.stderr
    assert done.exit_code == 0


@pytest.mark.parametrize("schedules", [[HOURLY, replace(HOURLY, name="other")]])
async def test_of_an_unknown_schedule_the_known_ones_are_told(
    runtime: Runtime, schedules: list[Schedule]
) -> None:
    done = await _done("run", "hourly")

    assert done.exit_code == 1
    assert "There is no schedule 'hourly'." in done.stderr
    assert "Known schedules: lab.hourly, lab.other." in done.stderr
