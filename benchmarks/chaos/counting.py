"""An outside system that counts what is created in it, and is as unkind as real ones are.

It never goes away, but answers slowly, drops connections after it has done what was asked, answers
when the caller has stopped listening, does it only then, and has a search whose index lags. All
that comes true within `DONE_WITHIN` of a request, and is found within `FOUND_WITHIN` more.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

__all__ = ["CLIENT_PATIENCE", "DONE_WITHIN", "FOUND_WITHIN", "CountingServer", "Creation"]

CLIENT_PATIENCE = 1.0
"""Seconds that a caller waits for an answer."""

DONE_WITHIN = 2.5
FOUND_WITHIN = 1.0


@dataclass(frozen=True, kw_only=True)
class Creation:
    """One thing that was created."""

    number: int
    key: str
    at: datetime
    manner: str
    """How the request was treated."""

    def as_line(self) -> str:
        """For a log."""
        return f"{self.at.isoformat()} {self.number} {self.key} {self.manner}"


class CountingServer:
    """Creates what it is asked for, as often as it is asked; `serving` gives it an address."""

    def __init__(self, randomness: random.Random) -> None:
        self.creations: list[Creation] = []
        self.manners: dict[str, int] = {}
        """How many requests were treated in which way."""
        self.url = ""
        self._random = randomness
        self._handling: set[asyncio.Task[None]] = set()
        # Each manner, its weight, and what it does.
        self._ways: dict[str, tuple[int, Callable[[str], Awaitable[bytes]]]] = {
            "at once": (84, self._at_once),
            "slowly": (6, self._slowly),
            "created, connection dropped": (3, self._dropped),
            "created, answered too late": (2, self._answered_late),
            "created after the caller gave up": (2, self._created_late),
            "not created, connection dropped": (2, self._refused_silently),
            "not created, 503": (1, self._refused),
        }

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CountingServer]:
        """Answer on a loopback port while the block runs."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            for task in self._handling:
                task.cancel()
            await asyncio.gather(*self._handling, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: what was asked is done though the caller hangs up.
        task = asyncio.create_task(self._converse(reader, writer))
        self._handling.add(task)
        task.add_done_callback(self._handling.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer; an empty answer drops the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            length = _content_length(head)
            content = await reader.readexactly(length) if length else b""
            writer.write(await self._answer(method, target, content))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, method: str, target: str, content: bytes) -> bytes:
        address = urlsplit(target)
        if method == "POST":
            key = str(json.loads(content)["key"])
            manner = self._random.choices(
                list(self._ways), weights=[weight for weight, _ in self._ways.values()]
            )[0]
            self.manners[manner] = self.manners.get(manner, 0) + 1
            return await self._ways[manner][1](key)
        return self._found(parse_qs(address.query)["key"][0])

    def _found(self, key: str) -> bytes:
        now = datetime.now(UTC)
        indexed = [
            made.number
            for made in self.creations
            if made.key == key and (now - made.at).total_seconds() >= FOUND_WITHIN
        ]
        return _response(200, {"numbers": indexed})

    def _create(self, key: str, manner: str) -> bytes:
        number = len(self.creations) + 1
        self.creations.append(Creation(number=number, key=key, at=datetime.now(UTC), manner=manner))
        return _response(201, {"number": number})

    async def _at_once(self, key: str) -> bytes:
        await asyncio.sleep(self._random.uniform(0.0, 0.05))
        return self._create(key, "at once")

    async def _slowly(self, key: str) -> bytes:
        await asyncio.sleep(self._random.uniform(0.2, 0.8) * CLIENT_PATIENCE)
        return self._create(key, "slowly")

    async def _dropped(self, key: str) -> bytes:
        self._create(key, "created, connection dropped")
        return b""

    async def _answered_late(self, key: str) -> bytes:
        answer = self._create(key, "created, answered too late")
        await asyncio.sleep(2 * CLIENT_PATIENCE)
        return answer

    async def _created_late(self, key: str) -> bytes:
        await asyncio.sleep(self._random.uniform(1.1 * CLIENT_PATIENCE, DONE_WITHIN))
        return self._create(key, "created after the caller gave up")

    async def _refused_silently(self, key: str) -> bytes:
        return b""

    async def _refused(self, key: str) -> bytes:
        return _response(503, {"error": "come back later"})


def _content_length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-length":
            return int(value)
    return 0


def _response(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    ).encode() + content
