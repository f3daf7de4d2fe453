"""The page on progress is true: its programs run, its tables name what there is."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.core.api.expecting import BUNDLES
from tests.core.api.streaming import start_run
from tests.rules.tree import ROOT
from ticketgen.api.streaming import closing
from ticketgen.progress_messages import ProgressMessage
from ticketgen.testing import LiveApi, drain, start_session

PAGE = (ROOT / "docs/progress.md").read_text(encoding="utf-8")
PROGRAMS: Mapping[str, str] = dict(
    re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL)
)
SCRIPTS: Mapping[str, str] = dict(
    re.findall(r"<!-- run: (\S+) -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
)


def _rows(heading: str) -> str:
    """The section of the page."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_field_of_a_message_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", _rows("Messages")))

    assert set(ProgressMessage.model_fields) - explained == set()


def test_every_close_code_is_explained() -> None:
    codes = {getattr(closing, name) for name in closing.__all__ if name.startswith("CLOSE_")}

    explained = {int(code) for code in re.findall(r"\b\d{4}\b", _rows("WebSocket"))}

    assert codes - explained == set()


def test_every_python_program_of_the_page_is_run() -> None:
    assert PAGE.count("```python") == len(PROGRAMS) == 3


def _environment(live: LiveApi, **more: str) -> dict[str, str]:
    return {
        **os.environ,  # noqa: TID251 - handed to a process
        "TICKETGEN_API_URL": live.url,
        "TICKETGEN_TOKEN": live.api.token,
        **more,
    }


async def _said(live: LiveApi, folder: Path, program: str, *arguments: str) -> str:
    """What a program of the page prints while what it watches runs to its end."""
    path = folder / program
    path.write_text(PROGRAMS[program], encoding="utf-8")
    running = await asyncio.create_subprocess_exec(
        *[sys.executable, str(path), *arguments],
        env=_environment(live),
        stdout=subprocess.PIPE,
    )
    assert running.stdout is not None
    first = await running.stdout.readline()
    await drain(live.api.runtime)
    rest, _ = await running.communicate()
    assert running.returncode == 0
    return (first + rest).decode()


@pytest.mark.services
async def test_the_program_that_starts_a_run_shows_it_to_its_result(
    live_api: LiveApi, tmp_path: Path
) -> None:
    session_id = await start_session(live_api.api, {"Bundles.csv": BUNDLES})

    said = (await _said(live_api, tmp_path, "watch.py", session_id)).splitlines()

    assert said[0].startswith("snapshot ")
    assert said[-2].startswith("completed 100.0")
    assert "'tickets_generated': 2" in said[-1]


@pytest.mark.services
async def test_the_client_of_your_own_gets_the_ending(live_api: LiveApi, tmp_path: Path) -> None:
    _, run_id = await start_run(live_api)

    said = (await _said(live_api, tmp_path, "by_hand.py", str(run_id))).splitlines()

    assert said[0].startswith("snapshot ")
    assert said[-2].startswith("completed 100.0")
    assert "'tickets_generated': 2" in said[-1]


@pytest.mark.services
async def test_the_dashboard_shows_every_run_to_its_end(live_api: LiveApi, tmp_path: Path) -> None:
    runs = [str((await start_run(live_api))[1]) for _ in range(2)]

    said = await _said(live_api, tmp_path, "dashboard.py", *runs)

    assert sorted(re.findall(r"^(\S+) completed", said, re.MULTILINE)) == sorted(runs)


@pytest.mark.services
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("script", "shown"), [("events", "event: completed\n"), ("polling", "304\n")]
)
async def test_a_script_of_the_page_shows_what_it_says(
    live_api: LiveApi, script: str, shown: str
) -> None:
    _, run_id = await start_run(live_api)
    await drain(live_api.api.runtime)

    running = await asyncio.create_subprocess_exec(
        *["sh", "-ec", SCRIPTS[script]],
        env=_environment(live_api, TASK_ID=str(run_id), no_proxy="*"),
        stdout=subprocess.PIPE,
    )
    said, _ = await running.communicate()

    assert running.returncode == 0
    assert shown in said.decode()
