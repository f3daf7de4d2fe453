"""What an export to Jira takes when nothing is in its way, beside the least it can take.

`python -m benchmarks.jira_export` exports sessions of 300 tickets to the stand-in, one issue by
one call and fifty by one call. The least is the pace that was asked for, times the calls that
write; everything beyond it is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from benchmarks.chaos.calm import all_up
from benchmarks.chaos.installation import forget_settings, installation, logging_to
from benchmarks.chaos.journal import Journal
from benchmarks.chaos_export.faults import ATTACH, BULK, CREATE, LINK
from benchmarks.chaos_export.plan import PlannedExport
from benchmarks.chaos_export.scene import Scene, opened_scene
from benchmarks.chaos_export.shape import ExportShape, long_export
from benchmarks.chaos_export.sheets import make_sheets
from benchmarks.chaos_export.site import serving_site
from ticketgen.domain.task_runs import TaskRun

_WRITES = (CREATE, BULK, LINK, ATTACH)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One export."""

    calls: int
    """That wrote."""
    reads: int
    seconds: float


def main() -> int:
    """Run the command."""
    arguments = _parser().parse_args()
    forget_settings()
    asyncio.run(_measure(arguments.tickets, arguments.pace, arguments.times))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.jira_export", description=__doc__)
    parser.add_argument("--tickets", type=int, default=300, help="of a session (default: 300)")
    parser.add_argument("--pace", type=float, default=0.1, help="seconds (default: 0.1)")
    parser.add_argument("--times", type=int, default=3, help="exports of each kind (default: 3)")
    return parser


async def _measure(tickets: int, pace: float, times: int) -> None:
    shape = _shape(pace)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jira-export-")))
        await stack.enter_async_context(logging_to(directory / "program.log"))
        site = await stack.enter_async_context(serving_site(["HM"], seed=1, logs=directory))
        place = await stack.enter_async_context(
            installation(shape.host, directory, directory, outside=site.url)
        )
        scene = await stack.enter_async_context(
            opened_scene(shape, place, site, journal=Journal(), randomness=random.Random(1))
        )
        await all_up(place, scene.workers)
        await scene.traveller.connect()
        for bulk in (1, 50):
            measured = [await _one(scene, tickets, bulk, number=number) for number in range(times)]
            print(_line(bulk, tickets, pace, measured), flush=True)


def _shape(pace: float) -> ExportShape:
    """One worker, left in peace, with the time limit of every installation."""
    usual = long_export(workers=1)
    environment = {"TICKETGEN_EXPORT_JIRA_PACE": str(pace)}
    return replace(usual, environment=environment)


async def _one(scene: Scene, tickets: int, bulk: int, *, number: int) -> Measured:
    planned = PlannedExport(
        name=f"B{bulk}-{number}",
        project="HM",
        at=0,
        bulk=bulk,
        sheets=make_sheets(f"B{bulk}-{number}", tickets, random.Random(number)),
        edits=0,
        seed="",
    )
    journey = await scene.traveller.prepare(planned)
    before = (await scene.site.state())["requests"]
    await scene.traveller.export(journey)
    after = (await scene.site.state())["requests"]
    told = {name: after[name] - before.get(name, 0) for name in after}
    writes = sum(told.get(name, 0) for name in _WRITES)
    return Measured(
        calls=writes,
        reads=sum(told.values()) - writes,
        seconds=(await _duration(scene, journey.runs[-1])).total_seconds(),
    )


async def _duration(scene: Scene, run_id: UUID) -> timedelta:
    async with scene.place.runtime.session_factory() as db:
        run = await db.get_one(TaskRun, run_id)
    assert run.started_at is not None, "the run has ended"
    assert run.finished_at is not None, "the run has ended"
    return run.finished_at - run.started_at


def _line(bulk: int, tickets: int, pace: float, measured: Sequence[Measured]) -> str:
    middle = sorted(measured, key=lambda one: one.seconds / one.calls)[len(measured) // 2]
    ratio = statistics.median(one.seconds / (pace * one.calls) for one in measured)
    how = "one by one" if bulk == 1 else f"{bulk} by one call"
    return (
        f"{tickets} tickets, {how}: {middle.calls} writing calls, {middle.reads} reads, "
        f"{middle.seconds:.1f} s; at a pace of {pace:g} s the least is "
        f"{pace * middle.calls:.1f} s; ratio {ratio:.3f} (median of {len(measured)})"
    )


if __name__ == "__main__":
    raise SystemExit(main())
