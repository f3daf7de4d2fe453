"""One connection of one watcher to one stream: a WebSocket, or server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns
from typing import cast

from benchmarks.progress.wire import (
    CLOSE,
    PING,
    TEXT,
    EventReader,
    FrameReader,
    answer_in,
    close_frame,
    pong_frame,
    stream_request,
    upgrade_request,
)

__all__ = ["Connection", "Server", "connect"]

Receive = Callable[[bytes, int], None]
"""Takes a message and the time of its arrival, on the monotonic clock of this machine."""

_SWITCHED, _OK = 101, 200


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where an API process listens, and who asks it."""

    port: int
    token: str
    host: str = "127.0.0.1"


class Connection(asyncio.Protocol):
    """Hands on every message; `over` is done when the other side, or we, have ended it."""

    def __init__(self, request: bytes, receive: Receive, *, events: bool) -> None:
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[int] = loop.create_future()
        """The status of the answer to the request."""
        self.over: asyncio.Future[int | None] = loop.create_future()
        """The code of the close frame; 1000 for a stream of events that was ended in form."""
        self.last_event_id: str | None = None
        """Of the newest event."""
        self._request = request
        self._receive = receive
        self._events = events
        self._head = b""
        self._code: int | None = None
        self._frames = FrameReader()
        self._reader: EventReader | None = None
        self._transport: asyncio.Transport | None = None

    def drop(self) -> None:
        """Be gone without a word, as a laptop that is shut."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the request."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take in the head, and messages after it."""
        now = monotonic_ns()
        if not self.opened.done():
            self._head += data
            answer = answer_in(self._head)
            if answer is None:
                return
            data = self._head[answer.size :]
            self._reader = EventReader(chunked=answer.chunked)
            self.opened.set_result(answer.status)
            if answer.status != (_OK if self._events else _SWITCHED):
                self._end(None)
                return
        if self._events:
            self._take_events(data, now)
        else:
            self._take_frames(data, now)

    def _take_frames(self, data: bytes, now: int) -> None:
        for kind, payload in self._frames.feed(data):
            if kind == TEXT:
                self._receive(payload, now)
            elif kind == PING:
                self._write(pong_frame(payload))
            elif kind == CLOSE:
                self._end(int.from_bytes(payload[:2], "big"))

    def _take_events(self, data: bytes, now: int) -> None:
        assert self._reader is not None, "the head came first"
        for event_id, payload in self._reader.feed(data):
            self.last_event_id = event_id
            self._receive(payload, now)
        if self._reader.ended:
            self._end(1000)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, code: int | None) -> None:
        self._code = code
        if self._transport is None:
            return
        if not self._events and code is not None:
            self._write(close_frame(code))
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Say how it ended."""
        if not self.opened.done():
            self.opened.set_result(0)
        if not self.over.done():
            self.over.set_result(self._code)


async def connect(
    server: Server, path: str, receive: Receive, *, events: bool = False, after: str | None = None
) -> Connection:
    """Open a stream; the answer's status is in `opened`.

    Raises:
        OSError: nobody listens there.
    """
    if events:
        request = stream_request(path, host=server.host, token=server.token, last_event_id=after)
    else:
        path = f"{path}?after={after}" if after else path
        request = upgrade_request(path, host=server.host, token=server.token)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(request, receive, events=events), server.host, server.port
    )
    return connection
