from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.core.api.streaming import start_run
from tests.core.cli.prompting import Prompt, prompting
from ticketgen.testing import LiveApi, drain

pytestmark = pytest.mark.services


async def _started(prompt: Prompt, session: str, task: str) -> str:
    answer = await prompt.api.client.post(f"/api/{task}/start/{session}")
    return str(answer.json()["task_id"])


async def test_a_run_is_watched_line_by_line_to_its_result(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.reviewed(specification)
    run_id = await _started(prompt, session, "adf_validation")

    said = (await prompt.said("tasks", "watch", run_id)).splitlines()

    lines = [line for line in said if line.startswith(run_id)]
    assert all(line.split()[1] == "adf_validation" for line in lines)
    assert lines[-1].split()[2:] == ["100", "%", "completed"]
    assert [line for line in said[len(lines) :] if line.startswith("passed")]


async def test_messages_come_as_json_one_a_line(prompt: Prompt, specification: Path) -> None:
    session = await prompt.reviewed(specification)
    await _started(prompt, session, "adf_validation")

    watched = ["--session", "Harbour Museum", "--type", "adf_validation", "--json"]
    said = await prompt.said("tasks", "watch", *watched)

    messages = [json.loads(line) for line in said.splitlines()]
    assert messages[0]["type"] == "snapshot"
    assert messages[-1]["type"] == "completed"
    assert {message["session_id"] for message in messages} == {session}


async def test_several_are_watched_together_and_one_that_fails_is_told(
    prompt: Prompt, specification: Path
) -> None:
    session = await prompt.reviewed(specification)
    good = await _started(prompt, session, "adf_validation")
    unknown = str(uuid4())

    done = await prompt.done("tasks", "watch", good, unknown)

    assert done.exit_code == 1
    assert [line for line in done.stdout.splitlines() if "completed" in line and good in line]
    assert unknown in done.stderr
    assert "Traceback" not in done.output


async def test_a_run_that_was_cancelled_ends_the_command_with_1(
    live_api: LiveApi, clean_environment: pytest.MonkeyPatch
) -> None:
    _, run_id = await start_run(live_api)
    await live_api.api.client.post(f"/api/runs/{run_id}/cancel")
    async with prompting(live_api, clean_environment) as prompt:
        said = await prompt.refused("tasks", "watch", str(run_id))
        as_json = await prompt.said("tasks", "watch", str(run_id), "--json", code=1)

    assert "`processing` was cancelled." in said
    assert json.loads(as_json.splitlines()[-1])["type"] == "cancelled"


async def test_what_is_to_be_watched_must_be_said(prompt: Prompt) -> None:
    for words in ([], ["--session", "Harbour Museum"], ["--type", "export"], ["nonsense"]):
        done = await prompt.done("tasks", "watch", *words)

        assert done.exit_code == 2, words
        assert "Traceback" not in done.output


async def test_who_may_not_watch_is_told_so(prompt: Prompt, specification: Path) -> None:
    session = await prompt.reviewed(specification)
    run_id = await _started(prompt, session, "adf_validation")

    prompt.become(prompt.api.other_token)
    foreign = await prompt.refused("tasks", "watch", run_id)
    prompt.become("tg_wrong")
    unknown = await prompt.refused("tasks", "watch", run_id)

    assert "Error: " in foreign
    assert "TICKETGEN_TOKEN" in unknown
    assert "ticketgen tokens create" in unknown


async def test_ctrl_c_leaves_the_run_going_and_says_how_to_come_back(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)

    watching = await _watching(live_api, run_id, stderr=subprocess.PIPE)
    assert watching.stdout is not None
    first = (await watching.stdout.readline()).decode()
    watching.send_signal(signal.SIGINT)
    _, said = await watching.communicate()

    run = (await live_api.api.client.get(f"/api/runs/{run_id}")).json()
    assert str(run_id) in first
    assert watching.returncode == 130
    assert f"Come back with `ticketgen tasks watch {run_id}`." in said.decode()
    assert b"Traceback" not in said
    assert (run["status"], run["session_id"]) == ("processing", session_id)


async def test_on_a_terminal_there_is_a_bar_and_nothing_but_the_result_on_standard_output(
    live_api: LiveApi,
) -> None:
    _, run_id = await start_run(live_api)
    terminal, its_end = os.openpty()
    try:
        watching = await _watching(live_api, run_id, stderr=its_end)
        while b"%" not in await asyncio.to_thread(os.read, terminal, 10_000):
            continue
        await drain(live_api.api.runtime)
        said, _ = await watching.communicate()
    finally:
        os.close(its_end)
        os.close(terminal)

    assert watching.returncode == 0
    assert str(run_id) not in said.decode()
    assert "tickets generated" in said.decode()


async def _watching(
    live_api: LiveApi, run_id: object, *, stderr: int
) -> asyncio.subprocess.Process:
    """The command as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "ticketgen", "tasks", "watch", str(run_id)],
        env={
            **os.environ,  # noqa: TID251 - handed to a process
            "TICKETGEN_API_URL": live_api.url,
            "TICKETGEN_TOKEN": live_api.api.token,
            "COLUMNS": "200",
            "TERM": "xterm",
        },
        stdout=subprocess.PIPE,
        stderr=stderr,
    )
