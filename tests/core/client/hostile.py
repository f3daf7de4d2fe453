"""An API that does its clients every wrong there is, and keeps to the protocol in between."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ticketgen.client import Client, Pace, ProgressMessage

__all__ = [
    "HASTE",
    "HostileApi",
    "answering",
    "clients_of",
    "hostile_api",
    "positions",
    "problem",
    "watching",
]

HASTE = Pace(
    first_delay=timedelta(milliseconds=1),
    longest_delay=timedelta(milliseconds=4),
    between_polls=timedelta(milliseconds=5),
    silence=timedelta(milliseconds=300),
)

Answer = Callable[[Request], Response | None]

_silent = logging.getLogger(__name__)
_silent.disabled = True


def answering(
    status: int,
    body: object = b"",
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer of HTTP."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}
    return Response(status, "as it is", Headers({**named, "Connection": "close"}), content)


def problem(status: int, code: str = "some", **also: str) -> Response:
    """A refusal of the API."""
    document = {"status": status, "code": code, "detail": f"No: {code}.", "recovery_actions": ["-"]}
    return answering(status, document, "application/problem+json", also)


@dataclass(kw_only=True)
class HostileApi:
    """One run, what it has published, and what is done to whoever watches it."""

    steps: list[Sequence[str]] = field(default_factory=list)
    """Of each connection in turn; after the last one the run ends, as it should."""
    answers: list[Answer] = field(default_factory=list)
    """Asked in turn whether they answer a request; the first that does is the one."""
    run_id: UUID = field(default_factory=uuid4)
    session_id: UUID = field(default_factory=uuid4)
    asked: list[str] = field(default_factory=list)
    """The paths of all requests."""
    headers: list[Headers] = field(default_factory=list)
    published: list[dict[str, Any]] = field(default_factory=list)
    """What is kept in this epoch."""
    left: list[dict[str, Any]] = field(default_factory=list)
    """What was published in epochs before."""
    epoch: str = "e1"
    url: str = ""
    server: Server | None = None

    def message(self, kind: str, **also: Any) -> dict[str, Any]:
        """A message of the run, without a position."""
        return {
            "type": kind,
            "session_id": str(self.session_id),
            "task_id": str(self.run_id),
            "task_type": "processing",
            "timestamp": datetime.now(UTC).isoformat(),
            "status": "processing",
            **also,
        }

    def publish(self, kind: str = "progress", **also: Any) -> dict[str, Any]:
        """A new message with the next number."""
        place = {"epoch": self.epoch, "sequence": len(self.published) + 1}
        self.published.append(self.message(kind, **place, **also))
        return self.published[-1]

    def end(self) -> dict[str, Any]:
        """The run's ending, published once."""
        if not self.has_ended:
            self.publish("completed", status="completed", result_summary={"tickets": 2})
        return self.published[-1]

    @property
    def has_ended(self) -> bool:
        return bool(self.published) and self.published[-1]["type"] == "completed"

    def attached(self, after: str | None) -> list[dict[str, Any]]:
        """What a client gets on attach, by the protocol."""
        epoch, _, sequence = (after or "-").rpartition("-")
        newest = len(self.published)
        if epoch == self.epoch and int(sequence) <= newest:
            seen = int(sequence)
            first = self.message("snapshot", epoch=self.epoch, sequence=seen)
            return [first, *self.published[seen:]]
        place = {"epoch": self.epoch, "sequence": newest} if newest else {}
        lost = [self.message("resync")] if after is not None else []
        ending = [self.published[-1]] if self.has_ended else []
        return [*lost, self.message("snapshot", **place), *ending]

    def run(self) -> dict[str, Any]:
        """The run as REST shows it."""
        status = "completed" if self.has_ended else "processing"
        return {
            "task_id": str(self.run_id),
            "session_id": str(self.session_id),
            "task_type": "processing",
            "status": status,
            "state": status,
            "progress_percentage": len(self.published),
            "current_stage": "Writing",
            "attempt": 1,
            "retry_count": 0,
            "parked": None,
            "result_summary": {"tickets": 2} if self.has_ended else None,
            "error": None,
            "created_at": datetime.now(UTC).isoformat(),
            "finished_at": None,
        }

    def new_epoch(self) -> tuple[()]:
        """Redis is wiped: numbers begin anew, and there is nothing to send."""
        self.left += self.published
        self.published = []
        self.epoch = f"e{int(self.epoch[1:]) + 1}"
        return ()

    async def respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """An answer of HTTP, or None where the WebSocket is to be opened."""
        self.asked.append(request.path)
        self.headers.append(request.headers)
        for answer in self.answers:
            found = answer(request)
            if found is not None:
                return found
        return None

    async def stream(self, connection: ServerConnection) -> None:
        """Serve one client."""
        assert connection.request is not None
        after = parse_qs(urlsplit(connection.request.path).query).get("after", [None])[0]
        steps = self.steps.pop(0) if self.steps else ("end",)
        try:
            for message in self.attached(after):
                await connection.send(json.dumps(message))
            if self.has_ended:
                return
            for step in steps:
                await self.do(step, connection)
        except ConnectionClosed:
            return

    async def do(self, step: str, connection: ServerConnection) -> None:
        """One step: what is said, or how the connection ends."""
        if step == "drop":
            await asyncio.sleep(0)
            connection.transport.abort()
            raise ConnectionClosed(None, None)
        if step.isdigit():
            await connection.close(int(step), "as it is")
            raise ConnectionClosed(None, None)
        if step == "wait":
            await connection.wait_closed()
            raise ConnectionClosed(None, None)
        for message in self.said(step):
            await connection.send(message if isinstance(message, str) else json.dumps(message))

    def said(self, step: str) -> Sequence[dict[str, Any] | str]:
        """What is sent in a step."""
        kept = self.published
        said: dict[str, Callable[[], Sequence[dict[str, Any] | str]]] = {
            "progress": lambda: [self.publish(progress_percentage=len(kept) + 1.0)],
            "silently": lambda: [self.publish()][:0],  # published, and lost on the way
            "again": lambda: [*kept[-3:]],
            "backwards": lambda: [*reversed(kept)],
            "stale": lambda: [*self.left[-3:]],
            "other": lambda: [{**self.message("completed"), "task_id": str(uuid4())}],
            "garbage": lambda: ["{", "[]", '{"type":"thunder"}', "\x00"],
            "resync": lambda: [self.message("resync"), *self.attached(None)],
            "snapshot": lambda: [*self.attached(None)[:1]],
            "epoch": lambda: [*self.new_epoch()],
            "end": lambda: [self.end()],
        }
        return said[step]()


@asynccontextmanager
async def hostile_api(api: HostileApi, *, port: int = 0) -> AsyncIterator[HostileApi]:
    """The API, on a loopback port, until the block ends."""
    async with serve(
        api.stream,
        "127.0.0.1",
        port,
        process_request=api.respond,
        logger=_silent,
        close_timeout=0.1,
    ) as server:
        api.server = server
        api.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield api


@asynccontextmanager
async def watching(api: HostileApi, url: str = "", **how: Any) -> AsyncIterator[Client]:
    """A client of the API that comes back at once."""
    async with Client(
        url or api.url, token="made up", **{"pace": HASTE, "trust_env": False, **how}
    ) as client:
        yield client


def positions(messages: Sequence[ProgressMessage]) -> dict[str, list[int]]:
    """The numbers of what was published, by epoch, in the order in which they came."""
    found: dict[str, list[int]] = {}
    for message in messages:
        if message.type not in {"snapshot", "resync"} and message.epoch is not None:
            found.setdefault(message.epoch, []).append(message.sequence or 0)
    return found


async def clients_of(api: HostileApi, *, at_least: int = 0) -> int:
    """How many clients it has, once those that have left were noticed."""
    assert api.server is not None
    for _ in range(1_000):
        await asyncio.sleep(0.001)
        if len(api.server.connections) == at_least:
            break
    return len(api.server.connections)
