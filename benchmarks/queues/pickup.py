"""How long does a job wait for an idle worker, and what does the worker ask while it waits?"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.queues.contenders import Contender
from benchmarks.queues.loads import warmed
from benchmarks.queues.programs import Program
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import Series, in_turns

__all__ = ["lost_wakes", "pickup"]

_CONCURRENCY = 10
_PAUSES = (0.05, 0.15)
_LOST_PAUSES = (0.6, 0.8)
"""Longer than any look of a worker that was not woken."""

_SETTLED = 2.0
"""Seconds until a worker has nothing left to do from what came before."""

_COLUMNS = (
    Column(name="p50", title="p50, ms", digits=1, ratio=True),
    Column(name="p99", title="p99, ms", digits=1, ratio=True),
    Column(name="most", title="longest, ms", digits=1),
    Column(name="jobs", title="jobs"),
    Column(name="idle_commands", title="idle commands/s", digits=2),
    Column(name="idle_reads", title="idle round trips/s", digits=2),
    Column(name="idle_cpu", title="idle CPU, ms/s", digits=1),
)


@dataclass(frozen=True, kw_only=True)
class _Waited:
    delays: list[int]
    """Nanoseconds from before each job was enqueued to its beginning."""
    idle_commands: float | None = None
    idle_by_command: dict[str, int] | None = None
    """How many of each in that time, those inside scripts included."""
    idle_reads: float | None = None
    idle_cpu: float | None = None


async def pickup(
    scene: Scene, contenders: Sequence[Contender], *, jobs: int, idle: float, times: int
) -> list[Table]:
    """One table; the percentiles are of all jobs of all rounds together."""
    rounds = _Rounds(scene=scene, jobs=-(-jobs // times), idle=idle)
    series = await in_turns(contenders, rounds.measure, times=times, doing="pick-up")
    title = "a job each 50 to 150 ms on an idle worker: from before its enqueuing to its beginning"
    return [Table(title=title, columns=_COLUMNS, rows=[_pooled(row) for row in series])]


@dataclass(kw_only=True)
class _Rounds:
    """Idleness is measured in the first round of each, since counts hardly vary."""

    scene: Scene
    jobs: int
    idle: float
    seen: dict[str, int] | None = None

    async def measure(self, contender: Contender) -> _Waited:
        self.seen = self.seen or {}
        number = self.seen[contender.key] = self.seen.get(contender.key, 0) + 1
        scene = self.scene
        await scene.clear(contender)
        async with (
            scene.feeder(contender) as feeder,
            scene.worker(contender, _CONCURRENCY) as worker,
        ):
            await warmed(worker, feeder)
            await worker.ask("expect", jobs=self.jobs)
            await asyncio.sleep(_SETTLED)
            await feeder.ask("drip", jobs=self.jobs, pauses=_PAUSES, seed=number)
            told = await worker.reach(within=30)
            if number > 1:
                return _Waited(delays=told["delays"])
            return await self._idle(worker, feeder, told["delays"])

    async def _idle(self, worker: Program, feeder: Program, delays: list[int]) -> _Waited:
        """What the worker does while there is nothing to do; the feeder is gone by then."""
        await feeder.end()
        await asyncio.sleep(_SETTLED)
        cpu = (await worker.ask("tell"))["cpu"]
        before, reads = await self.scene.commands(), await self.scene.reads()
        await asyncio.sleep(self.idle)
        after = await self.scene.commands()
        asked = {name: calls - before.get(name, 0) for name, calls in after.items()}
        return _Waited(
            delays=delays,
            idle_commands=sum(asked.values()) / self.idle,
            idle_by_command={name: calls for name, calls in sorted(asked.items()) if calls},
            idle_reads=(await self.scene.reads() - reads - 2) / self.idle,
            idle_cpu=((await worker.ask("tell"))["cpu"] - cpu) / self.idle * 1000,
        )


async def lost_wakes(
    scene: Scene, contenders: Sequence[Contender], *, jobs: int, times: int
) -> list[Table]:
    """What a job waits of which the worker was not told; of ours alone, that is woken."""
    without_rows = [contender for contender in contenders if not contender.durable]
    measures = {
        "every waiting connection of the worker was cut before": (contenders, _cut),
        "enqueued by plain arq, which knows nothing of waking": (without_rows, _plain),
    }
    return [
        Table(
            title=f"pick-up, {title}",
            columns=_COLUMNS[:4],
            rows=[
                _pooled(row)
                for row in await in_turns(
                    those, partial(measure, scene, jobs), times=times, doing="lost wake-ups"
                )
            ],
        )
        for title, (those, measure) in measures.items()
        if those
    ]


async def _cut(scene: Scene, jobs: int, contender: Contender) -> _Waited:
    await scene.clear(contender)
    async with (
        scene.feeder(contender) as feeder,
        scene.worker(contender, _CONCURRENCY) as worker,
    ):
        await warmed(worker, feeder)
        await worker.ask("expect", jobs=jobs)
        for number in range(jobs):
            await asyncio.sleep(_LOST_PAUSES[0])
            await _cut_waiting(scene)
            await feeder.ask("drip", jobs=1, pauses=(0, 0), seed=number)
        told = await worker.reach(within=30)
    return _Waited(delays=told["delays"])


async def _cut_waiting(scene: Scene) -> None:
    """Cut whoever waits for a message or inside a command, which are the sides that wake."""
    for client in await scene.redis.client_list():
        if set(client["flags"]) & {"P", "b"}:
            await scene.redis.client_kill_filter(_id=client["id"])


async def _plain(scene: Scene, jobs: int, contender: Contender) -> _Waited:
    await scene.clear(contender)
    async with (
        scene.feeder(contender) as feeder,
        scene.worker(contender, _CONCURRENCY) as worker,
    ):
        await warmed(worker, feeder)
        await worker.ask("expect", jobs=jobs)
        await feeder.ask("drip", jobs=jobs, pauses=_LOST_PAUSES, seed=1, how="put_plainly")
        told = await worker.reach(within=30)
    return _Waited(delays=told["delays"])


def _pooled(series: Series) -> Series:
    """All delays of all rounds as one sample."""
    delays = sorted(delay / 1e6 for each in series.measured for delay in each["delays"])
    if not delays:
        return series
    idle = {name: series.middle(name) for name in ("idle_commands", "idle_reads", "idle_cpu")}
    pooled = {
        "p50": statistics.median(delays),
        "p99": delays[min(len(delays) - 1, int(len(delays) * 0.99))],
        "most": delays[-1],
        "jobs": len(delays),
        **idle,
        "idle_by_command": next(
            (each["idle_by_command"] for each in series.measured if each["idle_by_command"]), None
        ),
        "delays_ms": delays,
    }
    return Series(contender=series.contender, measured=[pooled], failures=series.failures)
