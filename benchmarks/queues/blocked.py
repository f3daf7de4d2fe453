"""Does work in progress on other workers slow down a further one?

It is started when the others have no slot left and the backlog is there, and is measured from its
first job to its last: there is no warming up, since some peers would never get through it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from benchmarks.queues.contenders import Contender
from benchmarks.queues.loads import Load
from benchmarks.queues.programs import FailedError, Program
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import in_turns

__all__ = ["blocked_head"]

_BLOCKERS = 2
_EACH = 100
"""Jobs in progress on each of them."""
_LONG = 60.0
"""Seconds that these jobs take: longer than the measuring."""
_BEGUN_WITHIN = 30.0


@dataclass(frozen=True, kw_only=True)
class _Ran:
    free: float
    """Jobs a second with nobody else at work."""
    blocked: float
    """With 200 jobs in progress elsewhere."""
    share: float
    """The second by the first."""


_COLUMNS = (
    Column(name="free", title="jobs/s, nothing in progress"),
    Column(name="blocked", title="jobs/s, 200 in progress"),
    Column(name="share", title="of that", digits=2),
)


async def blocked_head(
    scene: Scene, contenders: Sequence[Contender], *, load: Load, times: int
) -> list[Table]:
    """One table; a worker that stands still counts for what it did in `load.within`."""
    series = await in_turns(
        contenders, partial(_measure, scene, load), times=times, doing="blocked head"
    )
    title = f"a further worker, {load.concurrency} concurrent, beside 200 jobs in progress"
    return [Table(title=title, columns=_COLUMNS, rows=series)]


async def _measure(scene: Scene, load: Load, contender: Contender) -> _Ran:
    free = await _rate(scene, load, contender, blockers=0)
    blocked = await _rate(scene, load, contender, blockers=_BLOCKERS)
    return _Ran(free=free, blocked=blocked, share=blocked / free if free else 0.0)


async def _rate(scene: Scene, load: Load, contender: Contender, *, blockers: int) -> float:
    await scene.clear(contender)
    async with AsyncExitStack() as stack:
        feeder = await stack.enter_async_context(scene.feeder(contender))
        others = [
            await stack.enter_async_context(scene.worker(contender, _EACH)) for _ in range(blockers)
        ]
        await feeder.ask("fill", jobs=_EACH * blockers, each=_LONG)
        await _all_begun(others, _EACH * blockers, contender)
        await feeder.ask("fill", jobs=load.jobs)
        worker = await stack.enter_async_context(scene.worker(contender, load.concurrency))
        await worker.ask("expect", jobs=load.jobs)
        told = await worker.ask("wait", within=load.within, patience=load.within + 10)
        for other in others:  # what they have in hand is of no more use
            other.kill()
    if told["reached"]:
        return float(load.jobs / (told["last"] - told["first"]) * 1e9)
    return float(told["jobs"] / load.within)


async def _all_begun(others: Sequence[Program], jobs: int, contender: Contender) -> None:
    deadline = time.monotonic() + _BEGUN_WITHIN
    while sum([(await other.ask("tell"))["begun"] for other in others]) < jobs:
        if time.monotonic() > deadline:
            raise FailedError(f"{contender.title}: the long jobs did not all begin")
        await asyncio.sleep(0.1)
