"""Whether everything is back when the troubles are over: workers, slots, runs that have ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError

from benchmarks.chaos.evidence import active_runs, read_evidence, unannounced_runs
from benchmarks.chaos.figures import most_at_once
from benchmarks.chaos.fleet import Fleet
from benchmarks.chaos.installation import Installation
from benchmarks.chaos.load import Load, probe
from benchmarks.chaos.plan import PlannedRun
from ticketgen.domain import workers
from ticketgen.errors import TemporaryError

__all__ = ["all_ended", "all_up", "probe_slots"]

_PROBE_SECONDS = 3.0
_PROBE_NUMBERS = 1_000_000
_CALM_WITHIN = 60.0
"""Until every worker is up again after the troubles, and every ending is announced."""


async def all_up(place: Installation, fleet: Fleet) -> list[str]:
    """Wait until every worker that the fleet runs has said that it lives; what is amiss."""

    async def up() -> bool:
        async with place.runtime.session_factory() as db:
            live = await workers.list_live_workers(
                db, expiry=place.runtime.settings.heartbeat_expiry
            )
        there = {worker.pid for worker in live}
        return all(post.is_up and post.pid in there for post in fleet.posts)

    if await _until(up, within=_CALM_WITHIN):
        return []
    return ["not every worker came back"]


async def all_ended(
    place: Installation, work: Sequence[asyncio.Task[Any]], *, within: float
) -> None:
    """Wait until the work is done and every run has ended, or time is up."""

    async def done() -> bool:
        async with place.runtime.session_factory() as db:
            return all(task.done() for task in work) and not await active_runs(db)

    await _until(done, within=within)


async def probe_slots(
    place: Installation, fleet: Fleet, load: Load
) -> tuple[list[PlannedRun], list[str]]:
    """Fill every slot once, to see that each is still there; the runs, and what is amiss."""
    serving = [post for post in fleet.posts if post.plugins in {"", "chaos"}]
    slots = len(serving) * fleet.slots
    probes = [probe(_PROBE_NUMBERS + number, seconds=_PROBE_SECONDS) for number in range(slots)]
    await asyncio.gather(*(load.carry_out(planned) for planned in probes))
    await all_ended(place, [], within=_CALM_WITHIN)

    async def announced() -> bool:
        async with place.runtime.session_factory() as db:
            return not await unannounced_runs(db)

    await _until(announced, within=_CALM_WITHIN)
    async with place.runtime.session_factory() as db:
        evidence = await read_evidence(db)
    ids = {load.started[planned.number] for planned in probes}
    attempts = [one for run_id in ids for one in evidence.attempts.get(run_id, ())]
    found = most_at_once(attempts)
    return probes, [f"{slots - found} of {slots} slots take no run any more"] * (found < slots)


async def _until(holds: Callable[[], Awaitable[bool]], *, within: float) -> bool:
    """Whether it comes true in time; a database that is just coming back is asked again."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if await holds():
                return True
        except (DBAPIError, TemporaryError, OSError):
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)
    return False
