"""With which code a socket is closed, and why."""

from __future__ import annotations

import asyncio

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from ticketgen.database import passes_by_itself
from ticketgen.errors import NotFoundError, PermissionDeniedError
from ticketgen.streams.listener import RestartError, SlowError

__all__ = [
    "CLOSE_ENDED",
    "CLOSE_FOREIGN",
    "CLOSE_OUT_OF_USE",
    "CLOSE_RESTART",
    "CLOSE_TRY_AGAIN",
    "CLOSE_UNKNOWN",
    "close",
    "closing_of",
]

CLOSE_ENDED = 1000
"""The ending was the last message."""
CLOSE_RESTART = 1012
"""The process ends; come back at once, to whichever answers."""
CLOSE_TRY_AGAIN = 1013
"""The database is away, or the client did not keep up; come back in a moment."""
CLOSE_FOREIGN = 4403
"""The session or run belongs to somebody else."""
CLOSE_UNKNOWN = 4404
"""There is no such session or run."""
CLOSE_OUT_OF_USE = 4503
"""The plugin that brings the task could not be loaded; the reason says why."""

_LONGEST_REASON = 123
"""Bytes of a reason that the protocol has room for."""

_CLOSE_SECONDS = 2.0
"""So long a client that takes nothing may keep its own close waiting."""


def closing_of(error: Exception) -> tuple[int, str] | None:
    """Code and reason for what has ended a stream; None for what nobody expected."""
    if isinstance(error, NotFoundError):
        return CLOSE_UNKNOWN, error.message
    if isinstance(error, PermissionDeniedError):
        return CLOSE_FOREIGN, error.message
    if isinstance(error, RestartError):
        return CLOSE_RESTART, error.message
    if isinstance(error, SlowError):
        return CLOSE_TRY_AGAIN, error.message
    if passes_by_itself(error):
        return CLOSE_TRY_AGAIN, "The database is away; come back."
    return None


async def close(websocket: WebSocket, code: int, reason: str = "") -> None:
    """Close a socket; whoever has gone, or takes nothing any more, is not waited for."""
    fitting = reason.encode(errors="replace")[:_LONGEST_REASON].decode(errors="ignore")
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await websocket.close(code, fitting)
    except (TimeoutError, RuntimeError, WebSocketDisconnect, OSError):
        return
