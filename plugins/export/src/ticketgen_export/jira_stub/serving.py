"""Serving the stand-in on a port of this machine, in this process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import uvicorn

from ticketgen_export.jira_stub.connection import DroppableProtocol
from ticketgen_export.jira_stub.stub import JiraStub

__all__ = ["address_of", "bound_socket", "config_of", "serving_stub"]


@asynccontextmanager
async def serving_stub(
    stub: JiraStub, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[str]:
    """The address it is served at, for as long as the context lasts; port 0 is any free one.

    Raises:
        OSError: the port is taken.
    """
    bound = bound_socket(host, port)
    server = _Server(config_of(stub))
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.005)
        yield address_of(bound)
    finally:
        server.should_exit = True
        await task
        bound.close()


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OSError: the port is taken, or the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=128)
    bound.setblocking(False)
    return bound


def address_of(bound: socket.socket) -> str:
    """What a client types to reach the socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def config_of(stub: JiraStub) -> uvicorn.Config:
    """Uvicorn's settings for the stand-in, with connections that can be dropped."""
    return uvicorn.Config(
        stub.app,
        interface="asgi3",
        http=DroppableProtocol,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        # A connection that ends by itself between two requests would be a fault nobody planned.
        timeout_keep_alive=3600,
        # What is late or slow is not waited for when it ends.
        timeout_graceful_shutdown=1,
    )


class _Server(uvicorn.Server):
    """Leaves the signals of the process alone: whoever runs it decides when it ends."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Capture none."""
        return nullcontext()
