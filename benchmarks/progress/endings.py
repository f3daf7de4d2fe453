"""Whether every client gets its ending, whenever the run ends and however the client comes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.progress.bars import Line, nothing_lost
from benchmarks.progress.fan_out import warm
from benchmarks.progress.plan import drawn
from benchmarks.progress.scene import Scene

__all__ = ["endings", "lines_of_endings"]

_GOING_ON = "came to a run that was processing"

_LEAD = 1.0
"""Seconds that both helpers have to get ready for a batch; its times are rough anyway."""


async def endings(
    scene: Scene, *, runs: int, seed: int, batch: int, pace: float, cut: float
) -> dict[str, Any]:
    """Batch after batch of runs, each with a client whose moves were drawn.

    With `cut`, the API's subscription to Redis is cut so often, in seconds.
    """
    randomness = random.Random(seed)
    began = time.monotonic()
    outcomes = []
    async with (
        scene.publisher() as publisher,
        scene.helper("benchmarks.progress.visitors") as visitors,
        scene.api() as api,
    ):
        await warm(scene, api, publisher)
        cutting = asyncio.create_task(_cut(scene, every=cut)) if cut else None
        for begun in range(0, runs, batch):
            run_ids = (await publisher.ask("begin", runs=min(batch, runs - begun)))["runs"]
            plans = {run_id: drawn(randomness, pace=pace) for run_id in run_ids}
            outcomes += [life.outcome for life, _ in plans.values()]
            visits = {run_id: asdict(visit) for run_id, (_, visit) in plans.items()}
            lives = {run_id: asdict(life) for run_id, (life, _) in plans.items()}
            await visitors.ask("visit", visits=visits, port=api.port, token=scene.token, lead=_LEAD)
            await publisher.ask("live", lives=lives, lead=_LEAD)
            await publisher.ask("lived")
        report = await visitors.ask("report")
        cuts = 0
        if cutting is not None:
            cutting.cancel()
            cuts = await cutting
        counters = await scene.counters(api)
    return {
        "seed": seed,
        "seconds": round(time.monotonic() - began, 1),
        "ended": {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))},
        "cuts": cuts,
        **report,
        "counted_by_the_api": counters,
    }


async def _cut(scene: Scene, *, every: float) -> int:
    """Cut subscriptions until cancelled; answers with how many there were."""
    cuts = 0
    try:
        while True:
            await asyncio.sleep(every)
            cuts += await scene.redis.client_kill_filter(_type="pubsub")
    except asyncio.CancelledError:
        return cuts


def lines_of_endings(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    return [
        Line(what="clients", measured=found["clients"]),
        Line(what="of these by server-sent events", measured=found["by_events"]),
        Line(what="attaches", measured=found["attach_seconds"]["count"]),
        Line(what="of these to a run that went on", measured=found["seen"].get(_GOING_ON, 0)),
        Line(
            what="attach to first message, p99", measured=found["attach_seconds"]["p99"], unit="s"
        ),
        Line(what="endings made from the row", measured=found["from_row"]),
        Line(what="resyncs", measured=found["resyncs"]),
        Line(what="subscriptions cut", measured=found["cuts"]),
        Line(what="all of it", measured=found["seconds"], unit="s"),
        *nothing_lost(found, found["counted_by_the_api"]),
        Line(
            what="clients with any other fault", measured=found["not_whole"], most=0, is_truth=True
        ),
    ]
