"""Clients of progress streams."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.core.api.expecting import BUNDLES
from ticketgen.testing import LiveApi, start_session

__all__ = ["next_message", "open_run", "open_stream", "start_run", "to_the_end"]


@asynccontextmanager
async def open_stream(
    live: LiveApi, session_id: str, *, token: str | None = None, task: str = "processing"
) -> AsyncIterator[ClientConnection]:
    """A client of a session's stream, by default of its owner."""
    headers = {"Authorization": f"Bearer {token or live.api.token}"}
    async with connect(live.stream_url(session_id, task), additional_headers=headers) as stream:
        yield stream


async def next_message(stream: ClientConnection) -> dict[str, Any]:
    """The next message, without which a test fails after a minute."""
    async with asyncio.timeout(60):
        message: dict[str, Any] = json.loads(await stream.recv())
        return message


async def to_the_end(stream: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """All messages to come, and the code with which the server closed."""
    messages: list[dict[str, Any]] = []
    try:
        while True:
            messages.append(await next_message(stream))
    except ConnectionClosed as closed:
        return messages, closed.rcvd.code if closed.rcvd else None


async def start_run(live: LiveApi) -> tuple[str, UUID]:
    """A session whose generation was started; its id and that of the run."""
    session_id = await start_session(live.api, {"Bundles.csv": BUNDLES})
    answer = await live.api.client.post(f"/api/processing/start/{session_id}")
    return session_id, UUID(answer.json()["task_id"])


@asynccontextmanager
async def open_run(
    live: LiveApi, run_id: object, *, token: str | None = None
) -> AsyncIterator[ClientConnection]:
    """A client of the stream of one run."""
    headers = {"Authorization": f"Bearer {token or live.api.token}"}
    address = f"ws://{live.host}/api/runs/{run_id}/progress"
    async with connect(address, additional_headers=headers) as stream:
        yield stream
