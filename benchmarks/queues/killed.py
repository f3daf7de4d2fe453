"""How long is a job gone whose worker was killed?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.queues.contenders import Contender
from benchmarks.queues.programs import FailedError, Program
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import in_turns

__all__ = ["killed"]

_LONG = 600.0
_START_WITHIN = 60.0
_LOOK = 0.05

_USUAL_TIMEOUT = 1800.0
"""Seconds; the time limit of our jobs, for which the peer's figure is calculated too."""


@dataclass(frozen=True, kw_only=True)
class _Gone:
    seconds: float
    """From the kill to the job's next beginning on another worker, that idles."""
    at_usual_timeout: float
    """The same, calculated for the usual time limit where the figure depends on it."""


_COLUMNS = (
    Column(name="seconds", title="s until it runs again", digits=1),
    Column(name="at_usual_timeout", title="with jobs of at most 30 minutes, s", digits=0),
)


async def killed(
    scene: Scene, contenders: Sequence[Contender], *, within: float, times: int
) -> list[Table]:
    """One table."""
    series = await in_turns(
        contenders, partial(_measure, scene, within), times=times, doing="killed"
    )
    return [Table(title="a worker is killed with -9 at work", columns=_COLUMNS, rows=series)]


async def _measure(scene: Scene, within: float, contender: Contender) -> _Gone:
    await scene.clear(contender)
    async with scene.feeder(contender) as feeder, scene.worker(contender, 1) as first:
        await first.ask("expect", jobs=1)
        await feeder.ask("fill", jobs=1, each=_LONG)
        await _begun(first, within=_START_WITHIN, contender=contender)
        async with scene.worker(contender, 1) as second:
            await second.ask("expect", jobs=1)
            await feeder.ask("fill", jobs=1)  # the first is busy: once this is done, both are up
            await second.reach(within=_START_WITHIN)
            await second.ask("expect", jobs=1)
            killed_at = time.monotonic_ns()
            first.kill()
            begun_at = await _begun(second, within=within, contender=contender)
            second.kill()
    seconds = (begun_at - killed_at) / 1e9
    timeout = contender.variant.get("job_timeout")
    return _Gone(
        seconds=seconds,
        at_usual_timeout=seconds if timeout is None else seconds - timeout + _USUAL_TIMEOUT,
    )


async def _begun(worker: Program, *, within: float, contender: Contender) -> int:
    """When its job began."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        told = await worker.ask("tell")
        if told["begun"]:
            return int(told["first"])
        await asyncio.sleep(_LOOK)
    raise FailedError(f"{contender.title}: the job has not begun in {within:g} s")
