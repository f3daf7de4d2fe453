"""How fast are jobs enqueued: one by one, each awaited, and many by one call?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.queues.contenders import Contender
from benchmarks.queues.programs import FailedError, Program
from benchmarks.queues.report import Column, Table
from benchmarks.queues.scene import Scene
from benchmarks.queues.turns import in_turns

__all__ = ["starts"]

_WARM = 20
_PATIENCE = 600.0


@dataclass(frozen=True, kw_only=True)
class _Started:
    """Jobs a second; None where the peer has no call for many."""

    one_by_one: float
    one_by_one_cpu: float
    """Processor seconds of the enqueuing process for 1,000 jobs."""
    thousand: float | None
    ten_thousand: float | None
    ten_thousand_cpu: float | None
    """As above, by one call."""


_COLUMNS = (
    Column(name="one_by_one", title="one by one, jobs/s", ratio=True),
    Column(name="one_by_one_cpu", title="CPU s per 1,000", digits=3),
    Column(name="thousand", title="1,000 by one call, jobs/s", ratio=True),
    Column(name="ten_thousand", title="10,000 by one call, jobs/s", ratio=True),
    Column(name="ten_thousand_cpu", title="CPU s per 1,000 of them", digits=3),
)


async def starts(
    scene: Scene, contenders: Sequence[Contender], *, jobs: int, times: int
) -> list[Table]:
    """One table; nobody works on the jobs meanwhile."""
    series = await in_turns(
        contenders, partial(_measure, scene, jobs), times=times, doing="enqueuing"
    )
    return [Table(title="enqueuing, without a worker", columns=_COLUMNS, rows=series)]


async def _measure(scene: Scene, jobs: int, contender: Contender) -> _Started:
    await scene.clear(contender)
    async with scene.feeder(contender) as feeder:
        await feeder.ask("fill", jobs=_WARM)
        warm = _WARM * (1 + (await _by_one_call(feeder, _WARM) is not None))
        filled = await feeder.ask("fill", jobs=jobs)
        thousand = await _by_one_call(feeder, 1_000)
        ten_thousand = await _by_one_call(feeder, 10_000)
    wanted = warm + jobs + 1_000 * (thousand is not None) + 10_000 * (ten_thousand is not None)
    if contender.durable and (found := await scene.unended(contender)) != wanted:
        raise FailedError(f"{contender.title}: {found} rows, {wanted} were started")
    return _Started(
        one_by_one=jobs / filled["seconds"],
        one_by_one_cpu=filled["cpu"] / jobs * 1_000,
        thousand=thousand and 1_000 / thousand["seconds"],
        ten_thousand=ten_thousand and 10_000 / ten_thousand["seconds"],
        ten_thousand_cpu=ten_thousand and ten_thousand["cpu"] / 10,
    )


async def _by_one_call(feeder: Program, jobs: int) -> Any:
    """What it took; None if the peer has no such call."""
    answer = await feeder.ask("batch", jobs=jobs, patience=_PATIENCE)
    return None if answer["seconds"] is None else answer
