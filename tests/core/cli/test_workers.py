from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import func, update
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

from ticketgen.cli.main import app
from ticketgen.domain import workers
from ticketgen.domain.workers import WorkerProcess
from ticketgen.runtime import Runtime

pytestmark = pytest.mark.services


@pytest.fixture
def found_by_commands(runtime: Runtime, clean_environment: pytest.MonkeyPatch) -> Runtime:
    """The runtime whose servers the commands work with."""
    clean_environment.setattr("ticketgen.runtime.attached_settings", lambda: runtime.settings)
    clean_environment.setenv("COLUMNS", "80")
    return runtime


async def _done(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["workers", *arguments])


async def _three(runtime: Runtime) -> None:
    """One that lives, one that was killed, one that has stopped."""
    ids = [uuid7() for _ in range(3)]
    async with runtime.session_factory() as db:
        for pid, worker_id in enumerate(ids, start=1):
            await workers.say_alive(
                db,
                worker_id=worker_id,
                host="worker-1",
                pid=pid,
                version="1.2.3",
                task_types=["export", "processing"],
                plugins={"processing": "0.2.0", "export": "0.1.0"},
                failed={"acme": "start: ConnectionError"},
                max_jobs=4,
                running=2,
                lag=0.1,
            )
        await workers.say_farewell(db, ids[2])
        await db.execute(
            update(WorkerProcess)
            .where(WorkerProcess.id == ids[1])
            .values(last_seen_at=func.clock_timestamp() - timedelta(minutes=2))
        )
        await db.commit()


async def test_the_live_workers_are_listed_with_load_and_plugins(
    found_by_commands: Runtime,
) -> None:
    await _three(found_by_commands)

    done = await _done()

    assert done.exit_code == 0, done.output
    assert "worker-1:1  1.2.3  2 of 4 runs  lag 0.1 s" in done.stdout
    assert "export 0.1.0, processing 0.2.0" in done.stdout
    assert "out of use: acme, start: ConnectionError" in done.stdout
    assert "worker-1:2" not in done.stdout
    assert "worker-1:3" not in done.stdout


async def test_the_others_are_listed_when_they_are_asked_for(found_by_commands: Runtime) -> None:
    await _three(found_by_commands)

    done = await _done("--all")
    as_json = json.loads((await _done("--all", "--json")).stdout)

    assert "worker-1:2  1.2.3  silent since" in done.stdout
    assert "worker-1:3  1.2.3  stopped" in done.stdout
    assert [worker["state"] for worker in as_json] == ["live", "silent", "stopped"]


async def test_without_a_worker_the_command_says_what_to_start_and_ends_with_1(
    found_by_commands: Runtime,
) -> None:
    done = await _done()
    as_json = await _done("--json")

    assert (done.exit_code, as_json.exit_code) == (1, 1)
    assert "start `ticketgen-worker`" in done.stdout
    assert json.loads(as_json.stdout) == []
