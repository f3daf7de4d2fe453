"""How fast are jobs enqueued: one by one, each awaited, and many by one call?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

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
    thousand: float | None
    ten_thousand: float | None


_COLUMNS = (
    Column(name="one_by_one", title="one by one, jobs/s", ratio=True),
    Column(name="thousand", title="1,000 by one call, jobs/s", ratio=True),
    Column(name="ten_thousand", title="10,000 by one call, jobs/s", ratio=True),
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
        one_by_one = jobs / (await feeder.ask("fill", jobs=jobs))["seconds"]
        thousand = await _by_one_call(feeder, 1_000)
        ten_thousand = await _by_one_call(feeder, 10_000)
    wanted = _WARM + jobs + 1_000 * (thousand is not None) + 10_000 * (ten_thousand is not None)
    if contender.durable and (found := await scene.unended(contender)) != wanted:
        raise FailedError(f"{contender.title}: {found} rows, {wanted} were started")
    return _Started(one_by_one=one_by_one, thousand=thousand, ten_thousand=ten_thousand)


async def _by_one_call(feeder: Program, jobs: int) -> float | None:
    answer = await feeder.ask("batch", jobs=jobs, patience=_PATIENCE)
    return None if answer["seconds"] is None else jobs / float(answer["seconds"])
