"""The client process: many watchers, each of one run, and how soon everything reached them.

It is told what to do by lines on its input: `open` watchers, `measure` from now on, `report`.
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from benchmarks.progress.connection import Connection, Server, connect
from benchmarks.progress.figures import spread
from benchmarks.progress.lines import hear, raise_file_limit, say
from benchmarks.progress.record import Record

__all__ = ["Watcher", "Watchers"]

_AT_ONCE = 40
"""So many attach at the same time."""

_FIRST_PAUSE, _LAST_PAUSE = 0.05, 2.0
_ENDED = 1000


class Watcher:
    """Follows one run to its ending; comes back by its position whenever it is cut off."""

    def __init__(self, path: str, servers: Sequence[Server], journal: Watchers) -> None:
        self.record = Record()
        self.connections = 0
        self.attached = asyncio.Event()
        self.first_after_mark: int | None = None
        """When the first message that was sent after the mark came."""
        self._path = path
        self._servers = list(servers)
        self._journal = journal

    async def follow(self) -> None:
        """Return when the ending is there, and the server has closed."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await connect(
                    self._servers[0], self._path, self._take, after=self.record.position
                )
            except OSError:
                code: int | None = None
            else:
                code = await self._stay(connection)
                pause = _FIRST_PAUSE if self.record.messages else pause
            self._journal.codes[str(code)] += 1
            if code == _ENDED or self.record.has_ended:
                return
            # Another process answers, perhaps, where this one has gone.
            self._servers.append(self._servers.pop(0))
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, _LAST_PAUSE)

    async def _stay(self, connection: Connection) -> int | None:
        self.connections += 1
        status = await connection.opened
        if status != 101:
            self._journal.statuses[str(status)] += 1
        return await connection.over

    def _take(self, raw: bytes, now: int) -> None:
        message = from_json(raw)
        self.record.take(message)
        if message["type"] == "progress":
            sent: int = message["details"]["sent_ns"]
            self._journal.note(sent, now)
            if self.first_after_mark is None and self._journal.mark_ns < sent:
                self.first_after_mark = now
        elif message["type"] == "snapshot":
            self.attached.set()


class Watchers:
    """All watchers of this process, and what they have seen together."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.mark_ns = 0
        self._from_ns, self._until_ns = 0, 0
        self._waits = array("q")
        self._watchers: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._cpu, self._clock = 0.0, 0.0

    def note(self, sent: int, now: int) -> None:
        """Keep how long a message took, if it was sent while that was asked for."""
        if self._from_ns <= sent < self._until_ns:
            self._waits.append(now - sent)

    async def do(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "open":
                return await self._open(order)
            case "measure":
                self._waits = array("q")
                self._from_ns, self._until_ns = order["from_ns"], order["until_ns"]
                self._cpu, self._clock = time.process_time(), time.monotonic()
                return {}
            case "mark":
                self.mark_ns = time.monotonic_ns()
                for watcher in self._watchers:
                    watcher.first_after_mark = None
                return {"mark_ns": self.mark_ns}
            case "waits":
                cpu = time.process_time() - self._cpu
                return {
                    **spread([wait / 1e6 for wait in self._waits]),
                    "cpu": cpu / (time.monotonic() - self._clock),
                }
            case "back":
                back = [watcher.first_after_mark for watcher in self._watchers]
                return {
                    "silent": sum(at is None for at in back),
                    "seconds": spread([(at - self.mark_ns) / 1e9 for at in back if at]),
                }
            case "report":
                return await self._report(order["patience"])
        raise ValueError(f"what is {order['do']!r}?")

    async def _open(self, order: Mapping[str, Any]) -> dict[str, Any]:
        servers = [Server(port=port, token=order["token"]) for port in order["ports"]]
        turns = asyncio.Semaphore(_AT_ONCE)
        began = time.monotonic()

        async def attach(path: str) -> None:
            watcher = Watcher(path, servers, self)
            self._watchers.append(watcher)
            async with turns:
                task = asyncio.create_task(watcher.follow())
                self._tasks.append(task)
                attached = asyncio.create_task(watcher.attached.wait())
                await asyncio.wait({task, attached}, return_when=asyncio.FIRST_COMPLETED)

        await asyncio.gather(*(attach(path) for path in order["paths"]))
        return {
            "attached": sum(watcher.attached.is_set() for watcher in self._watchers),
            "seconds": time.monotonic() - began,
        }

    async def _report(self, patience: float) -> dict[str, Any]:
        """What everybody has got, when all have their ending or patience is at an end."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=patience)
            for task in late:
                task.cancel()
        records = [watcher.record for watcher in self._watchers]
        return {
            "watchers": len(records),
            "without_ending": sum(not record.has_ended for record in records),
            "connections": sum(watcher.connections for watcher in self._watchers),
            "codes": dict(self.codes),
            "statuses": dict(self.statuses),
            **{
                name: sum(getattr(record, name) for record in records)
                for name in (
                    "messages",
                    "duplicates",
                    "missing",
                    "missing_at_attach",
                    "snapshots",
                    "resyncs",
                    "endings",
                )
            },
        }


async def _main() -> None:
    raise_file_limit()
    watchers = Watchers()
    async for order in hear():
        say(await watchers.do(order))


if __name__ == "__main__":
    asyncio.run(_main())
