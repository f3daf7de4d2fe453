"""The client process: many watchers, each of one run, and how soon everything reached them.

It is told what to do by lines on its input: `open` watchers, `measure` for a while, `report`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json

from benchmarks.progress.connection import Server, connect
from benchmarks.progress.figures import spread
from benchmarks.progress.lines import hear, raise_file_limit, say
from benchmarks.progress.record import Record
from benchmarks.progress.stalling import Stalled

__all__ = ["Watcher", "Watchers"]

_AT_ONCE = 40
"""So many attach at the same time."""

_FIRST_PAUSE, _LAST_PAUSE = 0.05, 2.0
_ENDED = 1000

Order = Mapping[str, Any]


class Watcher:
    """Follows one run to its ending; comes back by its position whenever it is cut off."""

    def __init__(
        self, path: str, servers: Sequence[Server], journal: Watchers, *, events: bool
    ) -> None:
        self.record = Record()
        self.connections = 0
        self.attached = asyncio.Event()
        self.first_after_mark: int | None = None
        """When the first message that was sent after the mark came."""
        self.resumed_ns: int | None = None
        """When the first message over a second connection came."""
        self.ended_ns: int | None = None
        self.path = path
        self._events = events
        self._servers = list(servers)
        self._journal = journal

    async def follow(self) -> None:
        """Return when the ending is there, and the server has closed."""
        pause = _FIRST_PAUSE
        while True:
            got = self.record.messages
            code = await self._stay()
            self._journal.codes[str(code)] += 1
            # A stream of events has no code: it ends in form when the server restarts, too.
            if self.record.has_ended or (code == _ENDED and not self._events):
                return
            pause = _FIRST_PAUSE if self.record.messages > got else min(pause * 2, _LAST_PAUSE)
            # Another process answers, perhaps, where this one has gone.
            self._servers.append(self._servers.pop(0))
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def _stay(self) -> int | None:
        """Be connected once; answers with the code that the server has closed with."""
        try:
            connection = await connect(
                self._servers[0],
                self.path,
                self._take,
                events=self._events,
                after=self.record.position,
            )
        except OSError:
            return None
        self.connections += 1
        self._journal.statuses[str(await connection.opened)] += 1
        return await connection.over

    def _take(self, raw: bytes, now: int) -> None:
        message = from_json(raw)
        self.record.take(message)
        if self.connections > 1 and self.resumed_ns is None:
            self.resumed_ns = now
        if message["type"] == "progress":
            sent: int = message["details"]["sent_ns"]
            self._journal.note(sent, now)
            if self.first_after_mark is None and sent > self._journal.mark_ns:
                self.first_after_mark = now
        elif message["type"] == "snapshot":
            self.attached.set()
        elif self.record.has_ended:
            self.ended_ns = self.ended_ns or now


class Watchers:
    """All watchers of this process, and what they have seen together."""

    def __init__(self) -> None:
        self.codes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.mark_ns = 0
        self._from_ns, self._until_ns = 0, 0
        self._waits, self._sent = array("q"), array("q")
        self._watchers: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stalled: list[Stalled] = []
        self._cpu, self._clock = 0.0, 0.0

    def note(self, sent: int, now: int) -> None:
        """Keep how long a message took, if it was sent while that was asked for."""
        if self._from_ns <= sent < self._until_ns:
            self._waits.append(now - sent)
            self._sent.append(sent)

    async def do(self, order: Order) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "open":
                return await self._open(order)
            case "stall":
                servers = [Server(port=order["port"], token=order["token"])] * len(order["paths"])
                pairs = zip(servers, order["paths"], strict=True)
                self._stalled = [await Stalled.opened(server, path) for server, path in pairs]
                return {"stalled": len(self._stalled)}
            case "report":
                return await self._report(order["patience"])
        return _ANSWERS[order["do"]](self, order)

    async def _open(self, order: Order) -> dict[str, Any]:
        servers = [Server(port=port, token=order["token"]) for port in order["ports"]]
        turns = asyncio.Semaphore(_AT_ONCE)
        began = time.monotonic()

        async def attach(path: str) -> None:
            watcher = Watcher(path, servers, self, events=order["events"])
            self._watchers.append(watcher)
            async with turns:
                task = asyncio.create_task(watcher.follow())
                self._tasks.append(task)
                attached = asyncio.create_task(watcher.attached.wait())
                await asyncio.wait({task, attached}, return_when=asyncio.FIRST_COMPLETED)

        await asyncio.gather(*(attach(path) for path in order["paths"]))
        return {
            "attached": sum(watcher.attached.is_set() for watcher in self._watchers),
            "seconds": round(time.monotonic() - began, 2),
        }

    def _measure(self, order: Order) -> dict[str, Any]:
        """From now on, for so many seconds."""
        self._waits, self._sent = array("q"), array("q")
        self._from_ns = time.monotonic_ns()
        self._until_ns = self._from_ns + int(order["seconds"] * 1e9)
        self._cpu, self._clock = time.process_time(), time.monotonic()
        return {}

    def _tell_waits(self, order: Order) -> dict[str, Any]:
        """How long messages took, in milliseconds, and the processors this process used."""
        cpu = time.process_time() - self._cpu
        by_second: defaultdict[int, list[float]] = defaultdict(list)
        for sent, wait in zip(self._sent, self._waits, strict=True):
            by_second[(sent - self._from_ns) // 1_000_000_000].append(wait / 1e6)
        return {
            **spread([wait / 1e6 for wait in self._waits]),
            "p50_by_second": [spread(by_second[second])["p50"] for second in sorted(by_second)],
            "client_cpu": round(cpu / (time.monotonic() - self._clock), 3),
        }

    def _mark(self, order: Order) -> dict[str, Any]:
        """What is sent after this moment is news."""
        self.mark_ns = time.monotonic_ns()
        for watcher in self._watchers:
            watcher.first_after_mark = None
        return {}

    def _tell_back(self, order: Order) -> dict[str, Any]:
        """How soon after the mark everybody whose run goes on has had news."""
        going = [watcher for watcher in self._watchers if not watcher.record.has_ended]
        back = [watcher.first_after_mark for watcher in going]
        return {
            "silent": sum(at is None for at in back),
            "seconds": spread([(at - self.mark_ns) / 1e9 for at in back if at]),
        }

    def _tell_resumed(self, order: Order) -> dict[str, Any]:
        """How soon after the mark everybody was connected for the second time, and served."""
        resumed = [watcher.resumed_ns for watcher in self._watchers]
        return {
            "missing": sum(at is None for at in resumed),
            "seconds": spread([(at - self.mark_ns) / 1e9 for at in resumed if at]),
        }

    def _tell_ended(self, order: Order) -> dict[str, Any]:
        """How soon after the mark the endings of some runs have come."""
        chosen = [watcher for watcher in self._watchers if watcher.path in order["paths"]]
        ended = [watcher.ended_ns for watcher in chosen]
        return {
            "missing": sum(at is None for at in ended),
            "seconds": spread([(at - self.mark_ns) / 1e9 for at in ended if at]),
        }

    def _tell_stalled(self, order: Order) -> dict[str, Any]:
        """What has become of those who did not read."""
        return {"ends": Counter(stalled.drained() for stalled in self._stalled)}

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
            "codes": self.codes,
            "statuses": self.statuses,
            **{name: sum(getattr(record, name) for record in records) for name in Record.COUNTS},
        }


_ANSWERS: Mapping[str, Callable[[Watchers, Order], dict[str, Any]]] = {
    "measure": Watchers._measure,
    "waits": Watchers._tell_waits,
    "mark": Watchers._mark,
    "back": Watchers._tell_back,
    "resumed": Watchers._tell_resumed,
    "ended": Watchers._tell_ended,
    "stalled": Watchers._tell_stalled,
}


async def _main() -> None:
    raise_file_limit()
    gc.disable()  # a collection here would be a wait there
    watchers = Watchers()
    async for order in hear():
        say(await watchers.do(order))


if __name__ == "__main__":
    asyncio.run(_main())
