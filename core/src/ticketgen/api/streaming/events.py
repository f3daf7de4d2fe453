"""Streams progress as server-sent events, which a browser reads and resumes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from uuid import UUID

import structlog
from fastapi import Request, Response
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from ticketgen.api.streaming.admission import (
    Wanted,
    admitted_topic,
    authenticated,
    position_asked,
    require_origin,
)
from ticketgen.api.streaming.closing import closing_of
from ticketgen.background import end_tasks
from ticketgen.database import DatabaseUnavailableError, passes_by_itself
from ticketgen.runtime import Runtime
from ticketgen.streams.following import Following
from ticketgen.streams.listener import ClientLeft, RestartError
from ticketgen.streams.parcels import Parcel
from ticketgen.streams.service import Streams

__all__ = ["EVENT_STREAM", "events_of_run", "events_of_session"]

_log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"

_PING_SECONDS = 15.0
_PING = b": ping\n\n"

_RETRY_MILLISECONDS = 2_000
"""So long a browser waits before it comes back; it has no jitter of its own."""

_HEADERS = {
    "cache-control": "no-cache, no-transform",
    # A proxy that collects an answer before it passes it on would hold every event back.
    "x-accel-buffering": "no",
}


async def events_of_session(request: Request, *, task_type: str, session_id: UUID) -> Response:
    """The events of a session's task; raises what admission raises."""
    return await _events(request, Wanted(task_type=task_type, session_id=session_id))


async def events_of_run(request: Request, *, run_id: UUID) -> Response:
    """The events of one run; raises what admission raises."""
    return await _events(request, Wanted(run_id=run_id))


async def _events(request: Request, wanted: Wanted) -> Response:
    runtime: Runtime = request.app.state.runtime
    streams: Streams = request.app.state.streams
    require_origin(request, runtime.settings.allowed_origins)
    after = position_asked(request)
    user = await authenticated(request, runtime, wanted)
    topic = await admitted_topic(runtime, wanted, user)
    async with AsyncExitStack() as stack:
        following = await stack.enter_async_context(streams.follow(topic, after=after))
        first = await _taken_first(following)
        if following.knew_the_ending:
            # An EventSource would come back for ever; this tells it not to.
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return _EventStream(following, first, stack.pop_all())


async def _taken_first(following: Following) -> list[Parcel]:
    try:
        return await following.take()
    except Exception as error:
        if not passes_by_itself(error):
            raise
        raise DatabaseUnavailableError(
            "The database cannot be reached, or did not answer in time.",
            recovery_actions=["Try again in a moment."],
        ) from error


class _EventStream(Response):
    """Sends events until the ending, or until the client leaves, which is noticed at once."""

    media_type = EVENT_STREAM

    def __init__(self, following: Following, first: list[Parcel], stack: AsyncExitStack) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._following = following
        self._first = first
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack, _noticing_leave(receive, self._following):
            try:
                await self._send_all(send)
            except asyncio.CancelledError:
                failure = self._following.listener.failure
                task = asyncio.current_task()
                if failure is None or task is None or task.uncancel():
                    raise
            except ClientLeft:
                return
            except Exception as error:
                # The answer has begun: it can only end. The client comes back and resumes.
                if closing_of(error) is None:
                    raise
                if not isinstance(error, RestartError):  # of that one line tells for all
                    _log.info("events_ended", reason=f"{type(error).__name__}: {error}"[:300])
                await _send_end(send)

    async def _send_all(self, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are in one
        self._following.listener.interrupt = task.cancel
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _send_part(send, format_sse_event(retry=_RETRY_MILLISECONDS))
        async with _pinging(send):
            parcels = self._first
            while parcels:
                await _send_part(send, b"".join(map(_event, parcels)))
                parcels = await self._following.take()
        await _send_end(send)


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})


async def _send_end(send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _event(parcel: Parcel) -> bytes:
    position = parcel.event_id or (str(parcel.position) if parcel.position else None)
    return format_sse_event(data_str=parcel.text, event=parcel.message.type, id=position)


@asynccontextmanager
async def _noticing_leave(receive: Receive, following: Following) -> AsyncIterator[None]:
    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        following.listener.fail(ClientLeft())

    waiting = asyncio.create_task(wait(), name="client-leaves")
    try:
        yield
    finally:
        await end_tasks(waiting)


@asynccontextmanager
async def _pinging(send: Send) -> AsyncIterator[None]:
    """Say that the connection lives, to the client and to every proxy on the way."""

    async def ping() -> None:
        while True:
            await asyncio.sleep(_PING_SECONDS)
            await _send_part(send, _PING)

    pinging = asyncio.create_task(ping(), name="events-ping")
    try:
        yield
    finally:
        await end_tasks(pinging)
