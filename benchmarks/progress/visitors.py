"""The client process of endings: thousands of clients, none of which may miss its ending.

It is told what to do by lines on its input: `visit` the runs of a batch, `report`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.progress.connection import Server
from benchmarks.progress.figures import spread
from benchmarks.progress.lines import hear, raise_file_limit, say
from benchmarks.progress.plan import Visit
from benchmarks.progress.record import Record
from benchmarks.progress.visiting import Visitor

__all__ = ["Visitors", "is_whole"]

_EXAMPLES = 20
"""So many clients that did not get what they had to get are told of one by one."""

_WRONG = ("of another run", "wrong id of an event", "no resync", "not sent away after the end")


def is_whole(visitor: Visitor) -> bool:
    """Whether the client has got its ending once, nothing twice, and no hole.

    One that comes back into a burst is slow from the first moment: what came while it attached may
    have been coalesced.
    """
    record = visitor.record
    return (
        record.endings == 1
        and not record.duplicates
        and (visitor.plan.left_behind or not record.missing_at_attach)
        and not any(visitor.seen[what] for what in _WRONG)
    )


class Visitors:
    """All clients of this process."""

    def __init__(self) -> None:
        self._visitors: list[Visitor] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def do(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one order."""
        match order["do"]:
            case "visit":
                return self._visit(order)
            case "report":
                await asyncio.gather(*self._tasks)
                return self._report()
        raise ValueError(f"what is {order['do']!r}?")

    def _visit(self, order: Mapping[str, Any]) -> dict[str, Any]:
        server = Server(port=order["port"], token=order["token"])
        since = asyncio.get_running_loop().time() + order["lead"]
        for run_id, plan in order["visits"].items():
            plan |= {name: tuple(plan[name]) for name in ("leaves", "away")}
            visitor = Visitor(server=server, run_id=run_id, plan=Visit(**plan))
            self._visitors.append(visitor)
            self._tasks.append(asyncio.create_task(visitor.visit(since)))
        return {}

    def _report(self) -> dict[str, Any]:
        records = [visitor.record for visitor in self._visitors]
        seen: Counter[str] = Counter()
        for visitor in self._visitors:
            seen += visitor.seen
        in_bursts = sum(
            visitor.record.missing_at_attach
            for visitor in self._visitors
            if visitor.plan.left_behind
        )
        counts = {name: sum(getattr(record, name) for record in records) for name in Record.COUNTS}
        counts["missing"] += in_bursts
        counts["missing_at_attach"] -= in_bursts
        broken = [visitor for visitor in self._visitors if not is_whole(visitor)]
        return {
            "clients": len(records),
            "without_ending": sum(not record.has_ended for record in records),
            "not_whole": len(broken),
            "by_events": sum(visitor.plan.events for visitor in self._visitors),
            "left_behind": sum(visitor.plan.left_behind for visitor in self._visitors),
            **counts,
            "attach_seconds": spread(
                [wait for visitor in self._visitors for wait in visitor.waits]
            ),
            "seen": dict(sorted(seen.items())),
            "examples": [
                {
                    "run": visitor.run_id,
                    "plan": asdict(visitor.plan),
                    "record": asdict(visitor.record),
                    "seen": visitor.seen,
                }
                for visitor in broken[:_EXAMPLES]
            ],
        }


async def _main() -> None:
    raise_file_limit()
    visitors = Visitors()
    async for order in hear():
        say(await visitors.do(order))


if __name__ == "__main__":
    asyncio.run(_main())
