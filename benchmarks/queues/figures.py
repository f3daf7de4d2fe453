"""What can be measured, of whom by default, and on which servers?"""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from benchmarks.queues.blocked import blocked_head
from benchmarks.queues.contenders import Contender
from benchmarks.queues.killed import killed
from benchmarks.queues.loads import Load
from benchmarks.queues.pickup import lost_wakes, pickup
from benchmarks.queues.report import Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.starts import starts
from benchmarks.queues.throughput import throughput
from benchmarks.queues.transactions import transactions

__all__ = ["FIGURES", "Figure"]

Measuring = Callable[[Scene, Sequence[Contender], argparse.Namespace], Awaitable[list[Table]]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One sub-command."""

    name: str
    summary: str
    contenders: tuple[str, ...]
    """Ratios are of the first to each."""
    measure: Measuring
    arguments: tuple[tuple[str, type, object, str], ...] = ()
    """What can be set besides: name, type, default, help."""
    fsync: bool = False
    """Whether the servers keep what they answered for, as those of an installation do."""


async def _throughput(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    loads = [Load(jobs=arguments.jobs, concurrency=each) for each in (10, 100)]
    return await throughput(scene, contenders, loads=loads, times=arguments.repeat)


async def _durable(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    tables = await _throughput(scene, contenders, arguments)
    load = Load(jobs=arguments.jobs, concurrency=10)
    return [*tables, await transactions(scene, contenders, load=load)]


async def _twenty(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    loads = [Load(jobs=arguments.jobs, concurrency=10, each=0.02)]
    return await throughput(scene, contenders, loads=loads, times=arguments.repeat)


async def _pickup(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    return await pickup(
        scene,
        contenders,
        jobs=arguments.jobs,
        idle=arguments.idle,
        times=arguments.repeat,
    )


async def _lost(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    return await lost_wakes(scene, contenders, jobs=arguments.jobs, times=arguments.repeat)


async def _starts(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    return await starts(scene, contenders, jobs=arguments.jobs, times=arguments.repeat)


async def _blocked(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    load = Load(jobs=arguments.jobs, concurrency=10, within=arguments.within)
    return await blocked_head(scene, contenders, load=load, times=arguments.repeat)


async def _killed(
    scene: Scene, contenders: Sequence[Contender], arguments: argparse.Namespace
) -> list[Table]:
    return await killed(scene, contenders, within=arguments.within, times=arguments.repeat)


_QUICK = ("ours", "arq", "arq-fast", "saq", "taskiq", "streaq", "dramatiq")

FIGURES = (
    Figure(
        name="throughput",
        summary="no-op jobs at 10 and at 100 concurrent: jobs/s, processor, Redis commands",
        contenders=_QUICK,
        measure=_throughput,
        arguments=(("jobs", int, 3000, "of each backlog"),),
    ),
    Figure(
        name="pickup",
        summary="how long a job waits for an idle worker, and what that asks meanwhile",
        contenders=("ours", "durable", *_QUICK[1:], "procrastinate"),
        measure=_pickup,
        arguments=(
            ("jobs", int, 300, "of each contender, over all rounds"),
            ("idle", float, 20.0, "seconds of idleness"),
        ),
        fsync=True,
    ),
    Figure(
        name="lost-wakes",
        summary="how long a job waits of which our worker was not told",
        contenders=("ours", "durable"),
        measure=_lost,
        arguments=(("jobs", int, 10, "of each round"),),
        fsync=True,
    ),
    Figure(
        name="twenty",
        summary="jobs of 20 ms at 10 concurrent: jobs/s of the ideal 500",
        contenders=("ours", "durable", *_QUICK[1:], "procrastinate"),
        measure=_twenty,
        arguments=(("jobs", int, 1000, "of each backlog"),),
        fsync=True,
    ),
    Figure(
        name="durable",
        summary="durable runs with all that belongs to them at 10 and at 100 concurrent",
        contenders=("durable", "progress", "procrastinate"),
        measure=_durable,
        arguments=(("jobs", int, 3_000, "of each backlog"),),
        fsync=True,
    ),
    Figure(
        name="start-many",
        summary="enqueuing: one by one, each awaited, and 1,000 and 10,000 by one call",
        contenders=("durable", "ours", "arq", "saq", "streaq", "procrastinate"),
        measure=_starts,
        arguments=(("jobs", int, 500, "one by one"),),
        fsync=True,
    ),
    Figure(
        name="blocked-head",
        summary="jobs/s of a further worker while 200 jobs are in progress on others",
        contenders=("ours", "arq-fast", "saq"),
        measure=_blocked,
        arguments=(
            ("jobs", int, 4000, "of each backlog"),
            ("within", float, 20.0, "seconds; what is not done then has stood still"),
        ),
    ),
    Figure(
        name="killed",
        summary="seconds until a job whose worker was killed with -9 runs again",
        contenders=("durable", "arq-short"),
        measure=_killed,
        arguments=(("within", float, 90.0, "seconds until it is given up"),),
        fsync=True,
    ),
)
