"""Serves a host's API for a test as in production: a real server on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from ticketgen.streams.hub import Hub
from ticketgen.streams.service import Streams
from ticketgen.testing.driving import Api

__all__ = ["LiveApi", "serve"]

_GRACE_SECONDS = 2


@dataclass(frozen=True, kw_only=True)
class LiveApi:
    """An API that listens on a loopback port, for clients that need a real connection."""

    api: Api
    """A client of the same host within the process, and the tokens."""
    app: FastAPI
    server: uvicorn.Server
    host: str
    """Name and port, as in a URL."""

    @property
    def url(self) -> str:
        """Where it answers HTTP."""
        return f"http://{self.host}"

    @property
    def streams(self) -> Streams:
        """What its clients follow."""
        streams: Streams = self.app.state.streams
        return streams

    @property
    def hub(self) -> Hub:
        """What its streams listen to."""
        return self.streams.hub

    def stream_url(self, session_id: str, task_type: str) -> str:
        """The address of a session's progress."""
        return f"ws://{self.host}/api/{task_type}/progress/{session_id}"


@asynccontextmanager
async def serve(api: Api, app: FastAPI) -> AsyncIterator[LiveApi]:
    """Serve an app until the block ends; connections that are open then are closed."""
    # With the protocol named, as `ticketgen api` does: asyncio sets TCP_NODELAY only then.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        port = listening.getsockname()[1]
        yield LiveApi(api=api, app=app, server=server, host=f"127.0.0.1:{port}")
    finally:
        server.should_exit = True
        await serving
        listening.close()
