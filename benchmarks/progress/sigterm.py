"""How soon an API process with a thousand open streams is gone, and its clients are elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.progress.bars import Line, nothing_lost
from benchmarks.progress.fan_out import warm
from benchmarks.progress.load import Load
from benchmarks.progress.scene import Scene

__all__ = ["lines_of_sigterm", "sigterm"]

_BEFORE, _AFTER = 3.0, 25.0
"""Seconds of publishing before and after."""


async def sigterm(scene: Scene, load: Load) -> dict[str, Any]:
    """Tell one of two API processes to stop, while publishing goes on."""
    async with (
        scene.publisher() as publisher,
        scene.watchers() as watchers,
        scene.api() as first,
        scene.api() as second,
    ):
        await warm(scene, second, publisher)
        run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
        opened = await watchers.ask("open", **load.opening(run_ids, scene, first, second))
        await publisher.ask("publish", groups=[load.group(run_ids)], seconds=_BEFORE + _AFTER)
        await asyncio.sleep(_BEFORE)

        earlier = await scene.counters(first)
        await watchers.ask("mark")
        told = time.monotonic()
        first.process.terminate()
        status = await first.process.wait()
        exit_seconds = time.monotonic() - told
        await asyncio.sleep(max(0, _AFTER - 2 - exit_seconds))
        resumed = await watchers.ask("resumed")

        published = await publisher.ask("published")
        await publisher.ask("settle")
        report = await watchers.ask("report", patience=60)
        later = await scene.counters(second)
    return {
        "opened": opened,
        "exit_seconds": round(exit_seconds, 2),
        "exit_status": status,
        "resumed_after": resumed,
        "publisher": published,
        "messages": report,
        "counted_by_the_api": {name: later[name] + earlier[name] for name in later},
    }


def lines_of_sigterm(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    resumed = found["resumed_after"]
    return [
        Line(what="to the end of the process", measured=found["exit_seconds"], most=5, unit="s"),
        Line(
            what="to the middle client's first message",
            measured=resumed["seconds"]["p50"],
            unit="s",
        ),
        Line(
            what="to the last client's first message", measured=resumed["seconds"]["max"], unit="s"
        ),
        Line(
            what="clients that did not resume", measured=resumed["missing"], most=0, is_truth=True
        ),
        *nothing_lost(found["messages"], found["counted_by_the_api"]),
    ]
