"""A process that is told to stop ends, also if a plugin's coroutine will not."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.core import lab

_API = """
import asyncio, os, signal
import uvicorn
import ticketgen.cli.api as command
import ticketgen.process_end

ticketgen.process_end._INTERPRETER_SECONDS = 0.1
servers = []


class Noted(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        servers.append(self)


uvicorn.Server = Noted


async def stubborn():
    while True:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            print("not I", flush=True)
        if servers and servers[0].started:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    print("not I", flush=True)


async def as_a_plugin_would(engine):
    global left
    left = asyncio.create_task(stubborn())


command.require_current_schema = as_a_plugin_would
command.api(port=0)
"""


async def test_an_api_in_which_a_coroutine_swallows_its_cancellation_ends_when_told_to(
    tmp_path: Path,
) -> None:
    environment = {
        **os.environ,  # noqa: TID251 - of a process of our own
        "TICKETGEN_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "TICKETGEN_REDIS_URL": "redis://127.0.0.1:1",
        "TICKETGEN_DATA_DIR": str(tmp_path),
        "TICKETGEN_ALLOWED_PLUGINS": "cleanup",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _API),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    try:
        async with asyncio.timeout(lab.PATIENCE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()

    assert process.returncode == 1
    assert b"not I" in said
    assert b"process_ended_hard" in said
