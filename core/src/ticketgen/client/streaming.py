"""One connection to a stream, in each of three ways: WebSocket, server-sent events, polling.

Each gives messages until the connection is lost (`LostError`), says that it cannot be had here
(`RefusedError`), or that the API wants no such watcher (`ApiProblemError`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any, Literal

import httpx2
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)

from ticketgen.client.enduring import LostError, RefusedError
from ticketgen.client.errors import (
    ApiError,
    ApiProblemError,
    ForeignAnswerError,
    PluginOutOfUseError,
    problem_of_close,
)
from ticketgen.client.models import Pace, Run, Stream, TaskStatus
from ticketgen.client.rest import NO_ROUTE, Rest
from ticketgen.progress_messages import ProgressMessage

__all__ = [
    "Messages",
    "Way",
    "by_events",
    "by_polling",
    "by_websocket",
    "end_of",
    "frames_of",
    "loss_of",
    "opened",
]

Messages = AsyncGenerator[ProgressMessage, None]
Way = Callable[[Rest, Stream, str | None, Pace], Messages]
"""How to be told of a stream from a position on."""

_RESTARTS = 1012
_GONE_AWAY = 1001
_LEAVE_SECONDS = 1.0
"""Whoever leaves does not wait long for the server's goodbye."""
_EVENT_SECONDS = 45.0
"""The server sends at least a comment every 15 s."""


def by_websocket(rest: Rest, stream: Stream, after: str | None, pace: Pace) -> Messages:
    """The stream's messages over a WebSocket."""
    path = stream.path(of_run="/api/runs/{}/progress", of_session="/api/{}/progress/{}")
    return _over_websocket(rest, path, after, pace)


async def _over_websocket(rest: Rest, path: str, after: str | None, pace: Pace) -> Messages:
    query = "" if after is None else f"?{httpx2.QueryParams({'after': after})}"
    async with (
        opened(rest, f"{path}{query}", pace) as socket,
        aclosing(frames_of(socket, pace)) as frames,
    ):
        async for frame in frames:
            message = _message(frame)
            if message is not None:
                yield message


@asynccontextmanager
async def opened(rest: Rest, path: str, pace: Pace) -> AsyncGenerator[ClientConnection, None]:
    """A WebSocket at a path of the API, closed when the block ends.

    Raises:
        LostError: it was not made, this time.
        RefusedError: something in between makes none.
        ApiProblemError: the API wants no such watcher.
    """
    address = rest.address
    proxy: Literal[True] | None = True if address.trust_env else None
    tls: dict[str, Any] = {"ssl": address.ssl_context} if address.ssl_context else {}
    connecting = connect(
        f"{address.url.replace('http', 'ws', 1)}{path}",
        additional_headers=address.headers,
        proxy=proxy,
        compression=None,
        open_timeout=pace.silence.total_seconds(),
        close_timeout=_LEAVE_SECONDS,
        **(tls if address.is_secure else {}),
    )
    try:
        socket = await connecting
    except InvalidStatus as refusal:
        raise _refusal_of(rest, refusal) from refusal
    except InvalidMessage as error:
        raise LostError(str(error), suspect=True) from error
    except InvalidHandshake as error:
        raise RefusedError(str(error)) from error
    except (OSError, WebSocketException, EOFError) as error:
        raise _unmade(error) from error
    try:
        yield socket
    finally:
        await socket.close()


async def frames_of(socket: ClientConnection, pace: Pace) -> AsyncGenerator[str | bytes, None]:
    """What the server sends, the first of which must come soon.

    Raises:
        LostError: the connection is lost.
        ApiProblemError: the server has closed it with a code that means that there is no way back.
    """
    try:
        async with asyncio.timeout(pace.silence.total_seconds()):
            frame = await socket.recv()
        while True:
            yield frame
            frame = await socket.recv()
    except TimeoutError as error:
        raise LostError("it says nothing", suspect=True) from error
    except ConnectionClosed as closed:
        raise end_of(closed) from closed


async def by_events(rest: Rest, stream: Stream, after: str | None, pace: Pace) -> Messages:
    """The stream's messages as server-sent events."""
    path = stream.path(of_run="/api/runs/{}/events", of_session="/api/{}/events/{}")
    position = {} if after is None else {"Last-Event-ID": after}
    request = rest.http.build_request(
        "GET",
        path,
        headers={"Accept": "text/event-stream", "Cache-Control": "no-store", **position},
        timeout=httpx2.Timeout(pace.silence.total_seconds(), read=_EVENT_SECONDS),
    )
    try:
        async with asyncio.timeout(pace.silence.total_seconds()):
            answer = await rest.http.send(request, stream=True)
        async with aclosing(_events_of(rest, answer, pace)) as messages:
            async for message in messages:
                yield message
    except TimeoutError as error:
        raise LostError("it says nothing", suspect=True) from error
    except httpx2.HTTPError as error:
        suspect = not isinstance(error, httpx2.ConnectError)
        raise LostError(str(error) or type(error).__name__, suspect=suspect) from error
    raise LostError("the events have ended")


async def _events_of(rest: Rest, answer: httpx2.Response, pace: Pace) -> Messages:
    async with aclosing(answer):
        if answer.status_code != HTTPStatus.OK:
            await answer.aread()
            raise _answer_of(rest, answer)
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            raise RefusedError("What answers sends no events.")
        events = aiter(httpx2.EventSource(answer))
        async with asyncio.timeout(pace.silence.total_seconds()):
            event = await anext(events, None)
        while event is not None:
            message = _message(event.data)
            if message is not None:
                yield message
            event = await anext(events, None)


async def by_polling(rest: Rest, stream: Stream, after: str | None, pace: Pace) -> Messages:
    """Where the stream's run stands, whenever that changes; polled, so without its steps."""
    path = stream.path(of_run="/api/runs/{}", of_session="/api/{}/status/{}")
    kind: type[Run | TaskStatus] = Run if stream.task_id is not None else TaskStatus
    before: Any = None
    while True:
        try:
            found = await rest.looks.look(path)
        except ApiError as error:
            raise loss_of(error) from error
        if found != before:
            before = found
            yield kind.model_validate(found).message


def _message(text: str | bytes) -> ProgressMessage | None:
    """A message; None of what a newer server may say that nobody here understands."""
    try:
        return ProgressMessage.model_validate_json(text)
    except ValidationError:
        return None


def _refusal_of(rest: Rest, refusal: InvalidStatus) -> Exception:
    """What it means that an upgrade was answered otherwise."""
    response = refusal.response
    answer = httpx2.Response(
        response.status_code,
        headers=[
            (name, value)
            for name, value in response.headers.raw_items()
            if name.lower() not in {"transfer-encoding", "content-length", "content-encoding"}
        ],
        content=bytes(response.body or b""),
    )
    return _answer_of(rest, answer)


def _answer_of(rest: Rest, answer: httpx2.Response) -> Exception:
    """What it means that a stream was asked for, and an answer of another kind came.

    Raises:
        ApiProblemError: the API wants no such watcher.
    """
    problem = rest.problem_of(answer)
    if isinstance(problem, ForeignAnswerError):
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return LostError(problem.message, suspect=True, foreign=True)
        return RefusedError(problem.message)
    if problem.problem.get("detail") == NO_ROUTE:
        return RefusedError(problem.message)  # an API that is older than this client
    return loss_of(problem)


def loss_of(error: ApiError) -> LostError:
    """The loss that an error is, where it may pass by itself.

    Raises:
        ApiError: it does not.
    """
    if not isinstance(error, ApiProblemError):
        return LostError(error.message, foreign=isinstance(error, ForeignAnswerError))
    status = int(error.problem.get("status") or 0)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS
    at_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, PluginOutOfUseError) or not (limited or at_fault):
        raise error
    return LostError(error.message, retry_after=error.retry_after or 0.0)


def _unmade(error: Exception) -> LostError:
    """A connection that was not made; suspect if something was there and made none."""
    never_there = isinstance(error, OSError) and not isinstance(
        error, TimeoutError | ConnectionResetError | ConnectionAbortedError | BrokenPipeError
    )
    return LostError(str(error) or type(error).__name__, suspect=not never_there)


def end_of(closed: ConnectionClosed) -> Exception:
    """What it means that a stream was closed."""
    if closed.rcvd is None:
        return LostError("the connection is lost", suspect=True)
    problem = problem_of_close(closed.rcvd.code, closed.rcvd.reason)
    if problem is not None:
        return problem
    at_once = closed.rcvd.code in {_RESTARTS, _GONE_AWAY}
    said = closed.rcvd.reason or f"closed with {closed.rcvd.code}"
    return LostError(said, at_once=at_once)
