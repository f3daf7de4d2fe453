"""How many transactions does Postgres carry out for a durable job?

A backend reports its transactions when it has been idle for ten seconds, or ends. So everybody
is left alone for so long before each look, and what an idle worker does in that time is taken off.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.queues.contenders import Contender
from benchmarks.queues.loads import Load, warmed
from benchmarks.queues.programs import FailedError
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import in_turns

__all__ = ["transactions"]

_REPORTED = 11.0


@dataclass(frozen=True, kw_only=True)
class _Counted:
    start: float
    """Transactions for each start, one by one."""
    work: float
    """For each job's work."""
    idle: float
    """A second, of a worker without a job."""


_COLUMNS = (
    Column(name="start", title="transactions to start", digits=1),
    Column(name="work", title="transactions to work", digits=1),
    Column(name="idle", title="transactions/s, idle", digits=2),
)


async def transactions(scene: Scene, contenders: Sequence[Contender], *, load: Load) -> Table:
    """One table, of one round: counts hardly vary."""
    series = await in_turns(
        contenders, partial(_measure, scene, load), times=1, doing="transactions"
    )
    title = f"transactions of Postgres, for each of {load.jobs:,} jobs (one round)"
    return Table(title=title, columns=_COLUMNS, rows=series)


async def _measure(scene: Scene, load: Load, contender: Contender) -> _Counted:
    await scene.clear(contender)
    async with (
        scene.feeder(contender) as feeder,
        scene.worker(contender, load.concurrency) as worker,
    ):
        await warmed(worker, feeder)
        await asyncio.sleep(_REPORTED)
        began, calm = await _look(scene, contender)
        await asyncio.sleep(_REPORTED)
        await worker.ask("expect", jobs=load.jobs)
        worker.hold()
        held, before = await _look(scene, contender)
        await feeder.ask("fill", jobs=load.jobs)
        await feeder.end()
        _, full = await _look(scene, contender)
        worker.release()
        released = time.monotonic()
        await worker.reach(within=load.within)
        await asyncio.sleep(_REPORTED + 1)
        ended, done = await _look(scene, contender)
        if left := await scene.unended(contender):
            raise FailedError(f"{contender.title}: {left} jobs have not ended")
    idle = (before - calm) / (held - began)
    return _Counted(
        start=(full - before) / load.jobs,
        work=(done - full - idle * (ended - released)) / load.jobs,
        idle=idle,
    )


async def _look(scene: Scene, contender: Contender) -> tuple[float, int]:
    """When, and how many there were until then."""
    return time.monotonic(), await scene.transactions(contender)
