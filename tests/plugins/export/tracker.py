"""A tracker on a loopback port that counts what is created in it, and a plugin that exports to it.

It fails as real ones do: it answers late and creates all the same, it breaks off after it has
created, it refuses, and its search shows an issue only a while after it was created.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2

from ticketgen import Plugin
from ticketgen.errors import OutcomeUnknownError, RateLimitedError, TemporaryError
from ticketgen.provides import (
    CompletedExport,
    ExportedFile,
    ExportTarget,
    ExportTicket,
    Sending,
    SentTicket,
)

TIMEOUT = timedelta(minutes=1)
"""No machine is so slow that a call is stopped by it."""
BRIEF = timedelta(seconds=3)
"""For the one test in which a call is stopped."""
MARGIN = timedelta(seconds=3)

PLUGIN = """
from ticketgen import hookimpl
from tests.plugins.export.tracker import plugin


@hookimpl
def ticketgen_plugin():
    return plugin()
"""


@dataclass
class Tracker:
    """The server's side."""

    url: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)
    """What happens to the n-th creation that is asked for.

    `slow`: it is answered when it may be; `late`: it is created when nobody waits for it any more;
    `break`: it is created and not answered; `hang`: the same, and the connection stays open;
    `refuse`: it is not created.
    """
    asked: int = 0
    index_lag: float = 0.0
    """So many seconds after its creation the search shows an issue."""
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    """A slow creation has begun."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """It may go on."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    """A creation is done, and its answer will not come."""

    @property
    def markers(self) -> list[str]:
        """The idempotency key of each issue there is."""
        return [issue["marker"] for issue in self.issues]

    async def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any] | None:
        if method == "POST":
            return await self._create(json.loads(body))
        url = urlsplit(target)
        if url.path == "/search":
            return 200, self._search(parse_qs(url.query)["marker"][0])
        number = int(url.path.rpartition("/")[2])
        return (200, self.issues[number - 1]) if number <= len(self.issues) else (404, {})

    async def _create(self, wanted: dict[str, Any]) -> tuple[int, Any] | None:
        self.asked += 1
        fault = self.faults.get(self.asked)
        if fault == "refuse":
            return 429, {}
        if fault == "slow":
            self.waiting.set()
            await self.go_on.wait()
        if fault == "late":
            await asyncio.sleep(BRIEF.total_seconds() + 0.3 * MARGIN.total_seconds())
        number = len(self.issues) + 1
        now = asyncio.get_running_loop().time()
        self.issues.append({**wanted, "key": f"HM-{number}", "at": now})
        if fault == "hang":
            self.hanging.set()
            await asyncio.Event().wait()
        return None if fault == "break" else (201, self.issues[-1])

    def _search(self, marker: str) -> list[dict[str, Any]]:
        shown = asyncio.get_running_loop().time() - self.index_lag
        return [
            issue for issue in self.issues if issue["marker"] == marker and issue["at"] <= shown
        ]


@asynccontextmanager
async def serving() -> AsyncIterator[Tracker]:
    """A tracker that answers HTTP until the block ends."""
    tracker = Tracker()
    connections: set[asyncio.Task[Any]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            request = (await reader.readline()).decode()
            if not request:
                return
            method, target, _ = request.split(" ", 2)
            length = 0
            while (line := (await reader.readline()).strip()) != b"":
                name, _, value = line.decode().partition(":")
                length = int(value) if name.lower() == "content-length" else length
            answer = await tracker.answer(method, target, await reader.readexactly(length))
            if answer is not None:
                content = json.dumps(answer[1]).encode()
                head = f"HTTP/1.1 {answer[0]} x\r\nContent-Length: {len(content)}\r\n"
                writer.write(head.encode() + b"Connection: close\r\n\r\n" + content)
                await writer.drain()
        except (OSError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    tracker.url = f"http://{host}:{port}"
    try:
        yield tracker
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


@asynccontextmanager
async def _client(sending: Sending) -> AsyncIterator[httpx2.AsyncClient]:
    url = sending.options["url"]
    try:
        # Without certificates, which take long to read: the address is one of this machine.
        async with httpx2.AsyncClient(base_url=url, timeout=90, verify=False) as client:
            yield client
    except httpx2.TransportError as error:
        raise TemporaryError("The tracker did not answer.") from error


async def _send(ticket: ExportTicket, sending: Sending) -> SentTicket:
    wanted = {"marker": sending.idempotency_key, "title": ticket.title}
    async with _client(sending) as client:
        answer = await client.post("/issues", json=wanted)
    if answer.status_code == 429:
        raise RateLimitedError("The tracker wants us to go slowly.")
    answer.raise_for_status()
    return _sent(ticket, answer.json())


def _sent(ticket: ExportTicket, issue: Mapping[str, Any]) -> SentTicket:
    log = ExportedFile(name=f"{issue['key']}.txt", media_type="text/plain", content=b"sent")
    return SentTicket(ticket_id=ticket.id, reference=issue["key"], files=(log,))


async def _search(ticket: ExportTicket, sending: Sending) -> SentTicket | None:
    query = {"marker": sending.idempotency_key}
    async with _client(sending) as client:
        found = (await client.get("/search", params=query)).json()
    return _sent(ticket, found[0]) if found else None


async def _find(ticket: ExportTicket, sending: Sending) -> SentTicket | None:
    """By search and, because that lags behind, by reading on from the issue sent last."""
    found = await _search(ticket, sending)
    older = sending.last_reference or sending.newest_reference or "HM-0"
    number = int(older.rpartition("-")[2])
    async with _client(sending) as client:
        while found is None:
            number += 1
            answer = await client.get(f"/issues/{number}")
            if answer.status_code == 404:
                return None
            if answer.json()["marker"] == sending.idempotency_key:
                found = _sent(ticket, answer.json())
    return found


async def _search_only(ticket: ExportTicket, sending: Sending) -> SentTicket | None:
    found = await _search(ticket, sending)
    if found is None:
        raise OutcomeUnknownError("The search shows nothing, and it lags behind.")
    return found


async def _complete(
    tickets: Sequence[ExportTicket], sent: Mapping[UUID, SentTicket], sending: Sending
) -> CompletedExport:
    return CompletedExport()


def plugin() -> Plugin:
    """Two targets of one tracker: one can find everything out, one has only its search."""
    targets = (
        ExportTarget(
            name=name,
            summary="Creates issues.",
            send=_send,
            complete=_complete,
            find=find,
            refused=(RateLimitedError,),
            timeout=TIMEOUT,
        )
        for name, find in (("tracker", _find), ("search", _search_only))
    )
    return Plugin(name="tracker", summary="Exports to a tracker.", provides=tuple(targets))
