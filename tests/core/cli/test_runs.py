from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from tests.core import lab
from ticketgen.cli.main import app
from ticketgen.domain.audit import AuditEntry
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import InvalidInputError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import drain, registry_of, run_to_end
from ticketgen.testing.driving import working

pytestmark = pytest.mark.services

_PARKED = {"code": "not_served", "message": "No worker is running; start `ticketgen-worker`."}


async def _patient(ctx: Any, payload: lab.Note) -> dict[str, Any]:
    await asyncio.sleep(1_000)
    return {}


@pytest.fixture
async def runtime(
    settings: Settings, clean_environment: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """A host with the lab, which the commands find too."""
    settings = settings.model_copy(update={"cancel_interval": timedelta(seconds=0.1)})
    failing = lab.raising(InvalidInputError("It cannot be done.", recovery_actions=["Do less."]))
    tasks = (lab.task(), lab.task("lab.failing", failing), lab.task("lab.patient", _patient))
    # So long that a command that waits for nothing would be missed by its test.
    clean_environment.setattr("ticketgen.cli.runs._STOP_SECONDS", 1_000)
    clean_environment.setattr("ticketgen.runtime.attached_settings", lambda: settings)
    clean_environment.setattr(
        "ticketgen.runtime.load_registry", lambda _: registry_of(settings, lab.lab_plugin(*tasks))
    )
    clean_environment.setenv("COLUMNS", "80")
    async with lab.open_lab(settings, *tasks) as opened:
        yield opened


async def _said(*arguments: str, code: int = 0) -> str:
    result = await _done(*arguments)
    assert result.exit_code == code, result.output
    return result.stdout


async def _done(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["runs", *arguments])


async def test_runs_are_listed_one_a_line_newest_first(runtime: Runtime) -> None:
    first = await lab.start(runtime)
    second = await lab.start(runtime, "lab.failing")
    await run_to_end(runtime, first.id)

    lines = (await _said("list")).splitlines()

    assert [line.split()[0] for line in lines] == [str(second.id), str(first.id)]
    assert lines[0].split()[1] == "queued"
    assert lines[1].split()[1] == "completed"
    assert max(map(len, lines)) <= 80


async def test_runs_are_listed_by_state_and_type_and_as_json(runtime: Runtime) -> None:
    queued = await lab.start(runtime)
    failed = await lab.start(runtime, "lab.failing")
    await run_to_end(runtime, failed.id)

    by_state = json.loads(await _said("list", "--state", "failed", "--state", "parked", "--json"))
    by_type = json.loads(await _said("list", "--type", "lab", "--json"))
    none = await _said("list", "--session", str(uuid4()))
    limited = await _done("list", "--limit", "1")

    assert [run["task_id"] for run in by_state] == [str(failed.id)]
    assert [run["task_id"] for run in by_type] == [str(queued.id)]
    assert "no such run" in none
    assert len(limited.stdout.splitlines()) == 1
    assert "--limit" in limited.stderr


async def test_a_run_is_shown_with_its_attempts_and_its_failures(runtime: Runtime) -> None:
    started = await lab.start(runtime, "lab.failing")
    await drain(runtime)

    shown = await _said("show", str(started.id))
    as_json = json.loads(await _said("show", str(started.id), "--json"))

    assert f"run        {started.id}" in shown
    assert "state      failed" in shown
    assert "attempt 1" in shown
    assert "It cannot be done." in shown
    assert "→ Do less." in shown
    assert [attempt["outcome"] for attempt in as_json["attempts"]] == ["failed"]
    assert [failure["user_message"] for failure in as_json["failures"]] == ["It cannot be done."]
    assert as_json["failures"][0]["error_id"] == as_json["error"]["error_id"]


async def test_a_parked_run_is_shown_with_the_reason_and_queued_again(runtime: Runtime) -> None:
    parked = await lab.start(runtime)
    await lab.change_run(runtime, parked.id, state=RunState.PARKED, parked=_PARKED)

    shown = await _said("show", str(parked.id))
    await _said("resume", str(parked.id))
    again = await _done("resume", str(parked.id))

    assert f"parked     {_PARKED['message']}" in shown
    assert (await lab.run_of(runtime, parked.id)).state is RunState.QUEUED
    assert again.exit_code == 1
    assert "not parked" in again.stderr


async def test_a_run_that_waits_is_cancelled_at_once_and_the_audit_log_knows(
    runtime: Runtime,
) -> None:
    started = await lab.start(runtime)

    said = await _said("cancel", str(started.id))

    async with runtime.session_factory() as db:
        actions = set(
            await db.scalars(select(AuditEntry.action).where(AuditEntry.subject == str(started.id)))
        )
    assert "is cancelled" in said
    assert (await lab.run_of(runtime, started.id)).state is RunState.CANCELLED
    assert "run.cancelled" in actions


async def test_a_cancel_waits_until_the_run_has_stopped(runtime: Runtime) -> None:
    started = await lab.start(runtime, "lab.patient")

    async with working(runtime) as runner:
        at_work = asyncio.create_task(runner.run(started.id))
        while (await lab.run_of(runtime, started.id)).state is RunState.QUEUED:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.02)
        said = await _said("cancel", str(started.id))
        await at_work

    assert "is cancelled" in said


async def test_a_cancel_that_is_not_heard_says_so_and_need_not_be_waited_for(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = await lab.start(runtime, "lab.patient")
    await lab.claim(runtime, started.id)

    at_once = await _said("cancel", "--no-wait", str(started.id))
    monkeypatch.setattr("ticketgen.cli.runs._STOP_SECONDS", 0.3)
    waited = await _said("cancel", str(started.id))

    assert "still at work" in at_once
    assert "still at work" in waited


async def test_a_retry_prints_the_new_runs_id_alone(runtime: Runtime) -> None:
    failed = await lab.start(runtime, "lab.failing")
    await drain(runtime)

    said = await _said("retry", str(failed.id))

    assert (await lab.run_of(runtime, UUID(said.strip()))).retry_of == failed.id


@pytest.mark.parametrize("command", ["show", "cancel", "retry", "resume"])
async def test_a_run_that_is_none_is_an_error_that_says_so(runtime: Runtime, command: str) -> None:
    unknown = str(uuid4())

    done = await _done(command, unknown)

    assert done.exit_code == 1
    assert f"There is no run {unknown}." in done.stderr.replace("\n", " ")
    assert "→" in done.stderr


async def test_what_has_ended_is_neither_cancelled_nor_lightly_tried_again(
    runtime: Runtime,
) -> None:
    started = await lab.start(runtime)
    await drain(runtime)

    cancelled = await _done("cancel", str(started.id))
    retried = await _done("retry", str(started.id))

    assert (cancelled.exit_code, retried.exit_code) == (1, 1)
    assert "completed already" in cancelled.stderr
    assert "Start the task anew" in retried.stderr
