"""One client of one run that comes, leaves without a word, and comes back, as planned."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from benchmarks.progress.connection import Connection, Server, connect
from benchmarks.progress.plan import Visit
from benchmarks.progress.record import Record

__all__ = ["Visitor"]

_PATIENCE = 40.0
"""Seconds after which a client that has no ending is one too many."""

_ENDED, _NO_MORE = 1000, 204
_PAUSE = 0.2


@dataclass(kw_only=True)
class Visitor:
    """Follows a run as its plan says, then to the ending."""

    server: Server
    run_id: str
    plan: Visit
    record: Record = field(default_factory=Record)
    seen: Counter[str] = field(default_factory=Counter)
    """Statuses and codes that were answered, how the run stood then, and what went wrong."""
    waits: list[float] = field(default_factory=list)
    """Seconds from asking to the first message, each time."""
    _asked: float | None = None
    _connection: Connection | None = None

    async def visit(self, since: float) -> None:
        """Return when the ending is there, or patience is at an end."""
        loop = asyncio.get_running_loop()
        if self.plan.after is not None:
            epoch, _, sequence = self.plan.after.rpartition("-")
            self.record.epoch, self.record.sequence = epoch, int(sequence)
        await asyncio.sleep(max(0, since + self.plan.arrives - loop.time()))
        for leaves, away in zip(self.plan.leaves, self.plan.away, strict=True):
            await self._stay(max(0, since + leaves - loop.time()))
            if self.record.has_ended:
                break
            await asyncio.sleep(max(0, away))
        deadline = loop.time() + _PATIENCE
        while not self.record.has_ended and loop.time() < deadline:
            await self._stay(deadline - loop.time())
            await asyncio.sleep(0 if self.record.has_ended else _PAUSE)
        await self._judge()

    async def _stay(self, seconds: float) -> None:
        """Be connected once, for so long at most."""
        try:
            async with asyncio.timeout(seconds):
                connection = await self._connected()
                status = await connection.opened
                code = await connection.over
        except TimeoutError:
            if self._connection is not None:
                self._connection.drop()
            return
        except OSError:
            self.seen["not connected"] += 1
            return
        self.seen[f"{'events' if self.plan.events else 'socket'} {status} {code}"] += 1

    async def _connected(self) -> Connection:
        self._asked = time.monotonic()
        kind = "events" if self.plan.events else "progress"
        self._connection = None
        self._connection = await connect(
            self.server,
            f"/api/runs/{self.run_id}/{kind}",
            self._take,
            events=self.plan.events,
            after=self.record.position,
        )
        return self._connection

    def _take(self, raw: bytes, _now: int) -> None:
        message: dict[str, Any] = from_json(raw)
        if self._asked is not None:
            self.waits.append(time.monotonic() - self._asked)
            self._asked = None
        if message["task_id"] != self.run_id:
            self.seen["of another run"] += 1
        self.record.take(message)
        if message["type"] == "snapshot":
            self.seen[f"came to a run that was {message['status']}"] += 1
        named = self._connection.last_event_id if self._connection and self.plan.events else None
        numbered = message.get("epoch") is not None
        if named is not None and numbered and named != f"{message['epoch']}-{message['sequence']}":
            self.seen["wrong id of an event"] += 1

    async def _judge(self) -> None:
        # One that was left behind shows a hole where no resync explains it.
        if self.plan.after is not None and not self.record.resyncs:
            self.seen["no resync"] += 1
        if not self.plan.comes_again or not self.record.has_ended or self.record.from_row:
            return
        endings = self.record.endings
        before, self.seen = self.seen, Counter()
        await self._stay(_PATIENCE)
        expected = f"events {_NO_MORE} None" if self.plan.events else f"socket 101 {_ENDED}"
        wrong = not self.seen[expected]
        self.seen += before
        self.seen["not sent away after the end"] += wrong
        self.record.duplicates -= self.record.endings - endings  # asked for
        self.record.endings = endings
