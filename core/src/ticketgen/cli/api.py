"""`ticketgen api`: serves the API."""

from __future__ import annotations

import asyncio
import socket
from typing import Annotated

import typer

from ticketgen.attached import attached_settings
from ticketgen.cli.parent import end_with_parent
from ticketgen.cli.safe import Safe, safe_overrides
from ticketgen.collecting import uncollected
from ticketgen.console import run
from ticketgen.errors import ConfigurationError
from ticketgen.logs import configure_logs
from ticketgen.migrations import require_current_schema
from ticketgen.process_end import end_process_soon
from ticketgen.settings import Settings

__all__ = ["api", "listen"]

_LARGEST_FRAME = 1024 * 1024
"""Bytes a client of a stream may send at once; what it says to a dashboard is far shorter."""

_GRACE_SECONDS = 3
"""So long requests under way may take once the process is told to stop; streams end at once."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigurationError: the address is taken, or not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on each connection; without it a small
    # answer on a kept connection waits 40 ms for the client's acknowledgement.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigurationError(
            f"The API cannot listen on {host}:{port}: {error.strerror}.",
            recovery_actions=["Choose another port with --port or TICKETGEN_API_PORT."],
        ) from None
    bound.set_inheritable(True)
    return bound


def api(
    host: Annotated[str | None, typer.Option(help="Address to bind to.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to bind to.")] = None,
    safe: Safe = False,
    listen_fd: Annotated[int | None, typer.Option("--listen-fd", hidden=True)] = None,
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Serve the API in one process.

    For several: `uvicorn --factory ticketgen.api.app:app_factory --workers N`.
    """
    if with_parent:
        end_with_parent()

    async def work() -> None:
        settings = attached_settings(**safe_overrides(safe))
        configure_logs(settings)
        bound = (
            socket.socket(fileno=listen_fd)
            if listen_fd is not None
            else listen(host or settings.api_host, settings.api_port if port is None else port)
        )
        await _serve(settings, bound)

    run(work())


async def _serve(settings: Settings, bound: socket.socket) -> None:
    # Not at the top: every command and every worker imports this module, and only this one serves.
    with uncollected():
        import uvicorn

        from ticketgen.api.app import create_app
        from ticketgen.runtime import build_runtime

        runtime = build_runtime(settings, application_name="ticketgen-api")
    server = None
    try:
        await require_current_schema(runtime.engine)
        with uncollected():
            app = create_app(runtime)
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                # The one of uvicorn's that costs least for each message; compression would take
                # 64 KiB of memory for each client.
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                ws_max_size=_LARGEST_FRAME,
                ws_ping_interval=20,
                ws_ping_timeout=20,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        await asyncio.shield(server.serve(sockets=[bound]))
    finally:
        await runtime.close()
        if server is not None:  # a plugin may have left a coroutine that ignores its cancellation
            end_process_soon()
