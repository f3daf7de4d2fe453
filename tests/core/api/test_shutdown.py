"""A real process is told to stop while its streams are open."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from websockets.asyncio.client import connect

from tests.core.api.streaming import next_message, to_the_end
from ticketgen.settings import Settings
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services

SERVERS = {
    "ticketgen": ["-m", "ticketgen", "api", "--host", "127.0.0.1", "--port"],
    # Nothing of what `ticketgen api` sets: no time limit above all.
    "uvicorn": ["-m", "uvicorn", "--factory", "ticketgen.api.app:app_factory", "--port"],
}


@dataclass(frozen=True, kw_only=True)
class _Server:
    process: asyncio.subprocess.Process
    host: str

    async def is_up(self) -> bool:
        try:
            async with httpx2.AsyncClient(base_url=f"http://{self.host}") as client:
                return (await client.get("/health/live")).status_code == 200
        except httpx2.TransportError:
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def _serving(kind: str, settings: Settings) -> AsyncIterator[_Server]:
    port = _free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *SERVERS[kind],
        str(port),
        env={
            "TICKETGEN_DATABASE_URL": str(settings.database_url),
            "TICKETGEN_REDIS_URL": str(settings.redis_url),
            "TICKETGEN_DATA_DIR": str(settings.data_dir),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    server = _Server(process=process, host=f"127.0.0.1:{port}")
    try:
        async with asyncio.timeout(90):
            while not await server.is_up():
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("kind", SERVERS)
async def test_a_process_that_is_told_to_stop_sends_its_clients_away_and_ends(
    api: Api, settings: Settings, kind: str, number: signal.Signals
) -> None:
    session_id = await start_session(api)
    headers = Api.bearing(api.token)
    path = f"/progress/{session_id}"
    async with _serving(kind, settings) as server, AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(
                connect(f"ws://{server.host}/api/{task}{path}", additional_headers=headers)
            )
            for task in ("processing", "export", "adf_validation") * 4
        ]
        dashboard = await stack.enter_async_context(
            connect(f"ws://{server.host}/api/progress", additional_headers=headers)
        )
        for stream in streams:
            await next_message(stream)
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=60))
        events = await stack.enter_async_context(
            client.stream(
                "GET", f"http://{server.host}/api/processing/events/{session_id}", headers=headers
            )
        )
        lines = events.aiter_lines()
        await anext(lines)

        server.process.send_signal(number)
        codes = {(await to_the_end(stream))[1] for stream in (*streams, dashboard)}
        _ = [line async for line in lines]
        async with asyncio.timeout(60):
            await server.process.wait()

    assert codes == {1012}
