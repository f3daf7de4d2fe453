"""Speaks as much of HTTP, WebSocket and server-sent events as a watcher needs, without waiting.

Bytes in, values out: a client that shall receive ten thousand messages a second beside what it
measures can afford no library that does more.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "CLOSE",
    "PING",
    "TEXT",
    "Answer",
    "EventReader",
    "FrameReader",
    "answer_in",
    "close_frame",
    "pong_frame",
    "stream_request",
    "upgrade_request",
]

TEXT, CLOSE, PING = 0x1, 0x8, 0x9
_PONG = 0xA
_FINAL = 0x80
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The head of an HTTP answer."""

    status: int
    chunked: bool
    size: int
    """Bytes it takes, its blank line included."""


def upgrade_request(path: str, *, host: str, token: str) -> bytes:
    """Ask for a WebSocket; no compression is offered."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def stream_request(path: str, *, host: str, token: str, last_event_id: str | None) -> bytes:
    """Ask for server-sent events, from a position on if there is one."""
    position = f"Last-Event-ID: {last_event_id}\r\n" if last_event_id else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Accept: text/event-stream\r\n{position}\r\n"
    ).encode()


def answer_in(data: bytes) -> Answer | None:
    """The head at the beginning of the data, once it is there whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    return Answer(
        status=int(head.split(b" ", 2)[1]),
        chunked=b"transfer-encoding: chunked" in head,
        size=end + 4,
    )


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping."""
    return _masked(_PONG, payload)


def close_frame(code: int) -> bytes:
    """Ask for the end, or agree to it."""
    return _masked(CLOSE, code.to_bytes(2, "big"))


def _masked(kind: int, payload: bytes) -> bytes:
    """A short frame of a client's; the mask is nought, which leaves the payload as it is."""
    return bytes([_FINAL | kind, _MASKED | len(payload)]) + bytes(4) + payload


class FrameReader:
    """Cuts what a server sends into frames; raises ValueError for one that comes in parts."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The kind and the payload of every frame that is whole now."""
        if self._rest:
            data = self._rest + data
        start, end = 0, len(data)
        while end - start >= 2:
            body, length = start + 2, data[start + 1]
            if length == _TWO_BYTES:
                body += 2
                length = int.from_bytes(data[start + 2 : body], "big") if body <= end else end
            elif length == _EIGHT_BYTES:
                body += 8
                length = int.from_bytes(data[start + 2 : body], "big") if body <= end else end
            if body + length > end:
                break
            kind = data[start]
            if not kind & _FINAL:
                raise ValueError("a frame in parts, which this reader does not know")
            start = body + length
            yield kind & 0x0F, data[body:start]
        self._rest = data[start:]


class EventReader:
    """Cuts a stream of server-sent events into their data; comments and `retry` are passed over."""

    def __init__(self, *, chunked: bool) -> None:
        self._chunked = chunked
        self._raw = b""
        self._text = b""
        self.ended = False
        """Whether the last chunk has come."""

    def feed(self, data: bytes) -> Iterator[tuple[str | None, bytes]]:
        """The id (None: it has none) and the data of every event that is whole now."""
        self._text += b"".join(self._chunks(data)) if self._chunked else data
        *blocks, self._text = self._text.replace(b"\r\n", b"\n").split(b"\n\n")
        for block in blocks:
            fields = [line.partition(b":") for line in block.split(b"\n")]
            content = [value.lstrip(b" ") for name, _, value in fields if name == b"data"]
            names = [value.strip().decode() for name, _, value in fields if name == b"id"]
            if content:
                yield (names[-1] if names else None), b"\n".join(content)

    def _chunks(self, data: bytes) -> Iterator[bytes]:
        self._raw += data
        while (line := self._raw.find(b"\r\n")) >= 0:
            size = int(self._raw[:line].split(b";")[0], 16)
            begin = line + 2
            if len(self._raw) < begin + size + 2:
                return
            chunk, self._raw = self._raw[begin : begin + size], self._raw[begin + size + 2 :]
            if not size:
                self.ended = True
                return
            yield chunk
