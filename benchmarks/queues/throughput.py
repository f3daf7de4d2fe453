"""How many jobs a second does one worker process do, and what does each cost?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.queues.contenders import Contender
from benchmarks.queues.loads import Load, work_off
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import in_turns

__all__ = ["throughput"]

_COLUMNS = (
    Column(name="jobs_per_second", title="jobs/s", ratio=True),
    Column(name="cpu_per_1000", title="CPU s per 1,000", digits=3),
    Column(name="redis_cpu_per_1000", title="Redis CPU s per 1,000", digits=3),
    Column(name="enqueue_commands", title="commands to enqueue", digits=1),
    Column(name="worker_commands", title="commands to work", digits=1),
    Column(name="enqueue_reads", title="round trips to enqueue", digits=1),
    Column(name="worker_reads", title="round trips to work", digits=1),
    Column(name="enqueued_per_second", title="enqueued/s, one by one"),
    Column(name="doubled", title="run twice, most", most=True),
)
_WROTE = Column(name="writing_transactions", title="writing transactions", digits=1)


async def throughput(
    scene: Scene,
    contenders: Sequence[Contender],
    *,
    loads: Sequence[Load],
    times: int,
) -> list[Table]:
    """A table for each load."""
    tables = []
    for load in loads:
        doing = f"{load.jobs:,} jobs at {load.concurrency} concurrent"
        if load.each:
            ideal = load.concurrency / load.each
            doing = f"{load.each * 1000:g} ms {doing} (ideal: {ideal:g}/s)"
        series = await in_turns(
            contenders, partial(_measure, scene, load), times=times, doing=doing
        )
        wrote = (_WROTE,) if any(contender.durable for contender in contenders) else ()
        tables.append(Table(title=doing, columns=(*_COLUMNS, *wrote), rows=series))
    return tables


async def _measure(scene: Scene, load: Load, contender: Contender) -> object:
    return await work_off(scene, contender, load)
