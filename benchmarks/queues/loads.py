"""What does one worker do with a backlog: how fast, for how much processor, by what commands?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.queues.contenders import Contender
from benchmarks.queues.programs import FailedError, Program
from benchmarks.queues.scene import Scene

__all__ = ["Load", "Worked", "warmed", "work_off"]

_WARM = 100
_AFTERWARDS = 0.2
"""Seconds after the last job, for what belongs to it and comes later."""

_LOOK = 0.01
"""Seconds between two looks whether the last durable job has ended."""

_START_WITHIN = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """A backlog."""

    jobs: int
    concurrency: int
    each: float = 0.0
    """Seconds that a job sleeps."""
    within: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Worked:
    """How one worker worked it off."""

    jobs_per_second: float
    """From the beginning of the first job to the end of the last."""
    cpu_per_1000: float
    """Processor seconds of the worker for 1,000 jobs, its threads included."""
    redis_cpu_per_1000: float
    """Of the Redis server, for the work on 1,000 jobs; scripts are its work."""
    enqueue_commands: float
    """Redis commands for each job's enqueuing, those inside scripts included."""
    worker_commands: float
    """The same for its work."""
    enqueue_reads: float
    """How often the server read something, for each job's enqueuing: its round trips."""
    worker_reads: float
    enqueued_per_second: float
    """One by one, each awaited."""
    doubled: int
    """Jobs that were run once more than they should have been."""
    writing_transactions: float
    """For each job's work; 0 if it is none of Postgres's."""


async def warmed(worker: Program, feeder: Program, jobs: int = _WARM) -> None:
    """Let the worker come up and do some jobs, so that it has its connections and scripts."""
    await worker.ask("expect", jobs=jobs)
    await feeder.ask("fill", jobs=jobs)
    await worker.reach(within=_START_WITHIN)
    await asyncio.sleep(_AFTERWARDS)


async def work_off(scene: Scene, contender: Contender, load: Load) -> Worked:
    """Start a worker, hold it, enqueue the backlog, and release it.

    Raises:
        FailedError: it did not do every job.
    """
    await scene.clear(contender)
    async with (
        scene.feeder(contender) as feeder,
        scene.worker(contender, load.concurrency) as worker,
    ):
        await warmed(worker, feeder)
        before = await worker.ask("expect", jobs=load.jobs)
        worker.hold()
        empty = await _Reading.of(scene, contender)
        filled = await feeder.ask("fill", jobs=load.jobs, each=load.each)
        full = await _Reading.of(scene, contender)
        worker.release()
        told = await worker.reach(within=load.within)
        end = await _end(scene, contender, last=told["last"], within=load.within)
        await asyncio.sleep(_AFTERWARDS)
        done = await _Reading.of(scene, contender)
        after = await worker.ask("tell")
    if after["jobs"] < load.jobs:
        raise FailedError(f"{contender.title}: {after['jobs']} jobs of {load.jobs} were run")
    if after["at_once"] > load.concurrency:
        raise FailedError(f"{contender.title}: {after['at_once']} jobs were run at once")
    return Worked(
        jobs_per_second=load.jobs / (end - told["first"]) * 1e9,
        cpu_per_1000=(after["cpu"] - before["cpu"]) / load.jobs * 1000,
        redis_cpu_per_1000=(done.redis_seconds - full.redis_seconds) / load.jobs * 1000,
        enqueue_commands=(full.commands - empty.commands) / load.jobs,
        worker_commands=(done.commands - full.commands) / load.jobs,
        enqueue_reads=(full.reads - empty.reads - 3) / load.jobs,
        worker_reads=(done.reads - full.reads - 3) / load.jobs,
        enqueued_per_second=load.jobs / filled["seconds"],
        doubled=after["jobs"] - load.jobs,
        writing_transactions=(done.wrote - full.wrote) / load.jobs,
    )


async def _end(scene: Scene, contender: Contender, *, last: int, within: float) -> int:
    """When the last job had ended: its function, or its row."""
    if not contender.durable:
        return last
    deadline = time.monotonic() + within
    while left := await scene.unended(contender):
        if time.monotonic() > deadline:
            raise FailedError(f"{contender.title}: {left} jobs have not ended in {within:g} s")
        await asyncio.sleep(_LOOK)
    return time.monotonic_ns()


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """The servers' counters at one moment."""

    commands: int
    redis_seconds: float
    reads: int
    wrote: int

    @classmethod
    async def of(cls, scene: Scene, contender: Contender) -> _Reading:
        """Now; three reads of ours are among the later ones."""
        return cls(
            commands=sum((await scene.commands()).values()),
            redis_seconds=await scene.redis_seconds(),
            reads=await scene.reads(),
            wrote=await scene.written() if contender.durable else 0,
        )
