"""Streams progress over a WebSocket: from where the run stands to its ending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import structlog
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from ticketgen.api.streaming.admission import (
    Wanted,
    admitted_topic,
    authenticated,
    deny,
    position_asked,
    require_origin,
)
from ticketgen.api.streaming.closing import (
    CLOSE_ENDED,
    CLOSE_OUT_OF_USE,
    close,
    closing_of,
)
from ticketgen.background import end_tasks
from ticketgen.errors import TicketgenError
from ticketgen.runtime import Runtime
from ticketgen.streams.following import Following
from ticketgen.streams.listener import ClientLeft, Listener, RestartError
from ticketgen.streams.positions import Position
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import Topic

__all__ = ["refuse_stream", "stream_run", "stream_session"]

_log = structlog.get_logger(__name__)


async def stream_session(websocket: WebSocket, *, task_type: str, session_id: UUID) -> None:
    """Serve one client of a session's channel until the run ends or the client leaves."""
    await _stream(websocket, Wanted(task_type=task_type, session_id=session_id))


async def stream_run(websocket: WebSocket, *, run_id: UUID) -> None:
    """Serve one client of a run until it ends or the client leaves."""
    await _stream(websocket, Wanted(run_id=run_id))


async def refuse_stream(
    websocket: WebSocket, *, task_type: str, session_id: UUID, plugin: str
) -> None:
    """Tell a client why a task's plugin is out of use; to nobody who may not be here at all."""
    runtime: Runtime = websocket.app.state.runtime
    try:
        require_origin(websocket, runtime.settings.allowed_origins)
        await authenticated(websocket, runtime, Wanted(task_type=task_type, session_id=session_id))
    except TicketgenError as error:
        await deny(websocket, error)
        return
    await websocket.accept()
    problem = runtime.registry.problem_of(plugin)
    why = f"The plugin {plugin!r} is out of use: {problem.reason if problem else 'see its log'}"
    await close(websocket, CLOSE_OUT_OF_USE, why)


async def _stream(websocket: WebSocket, wanted: Wanted) -> None:
    runtime: Runtime = websocket.app.state.runtime
    try:
        require_origin(websocket, runtime.settings.allowed_origins)
        after = position_asked(websocket)
        user = await authenticated(websocket, runtime, wanted)
    except TicketgenError as error:
        await deny(websocket, error)
        return
    await websocket.accept()
    try:
        topic = await admitted_topic(runtime, wanted, user)
        await _follow(websocket, websocket.app.state.streams, topic, after)
    except (ClientLeft, WebSocketDisconnect):
        return
    except Exception as error:
        closing = closing_of(error)
        if closing is None:
            raise
        if not isinstance(error, RestartError):  # of that one line tells for all
            reason = f"{type(error).__name__}: {error}"[:300]
            _log.info("stream_closed", code=closing[0], reason=reason)
        await close(websocket, *closing)
    else:
        await close(websocket, CLOSE_ENDED)


async def _follow(
    websocket: WebSocket, streams: Streams, topic: Topic, after: Position | None
) -> None:
    async with (
        streams.follow(topic, after=after) as following,
        _noticing_leave(websocket, following.listener),
    ):
        try:
            await _send_all(websocket, following)
        except asyncio.CancelledError:
            failure = following.listener.failure
            task = asyncio.current_task()
            if failure is None or task is None or task.uncancel():
                raise
            raise failure from None


async def _send_all(websocket: WebSocket, following: Following) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - we are in one
    following.listener.interrupt = task.cancel
    while parcels := await following.take():
        for parcel in parcels:
            await websocket.send_text(parcel.text)


@asynccontextmanager
async def _noticing_leave(websocket: WebSocket, listener: Listener) -> AsyncIterator[None]:
    """End the listener as soon as the client has left; what it sends is of no interest."""

    async def wait() -> None:
        while (await websocket.receive())["type"] != "websocket.disconnect":
            continue
        listener.fail(ClientLeft())

    waiting = asyncio.create_task(wait(), name="client-leaves")
    try:
        yield
    finally:
        await end_tasks(waiting)
