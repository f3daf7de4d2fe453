"""How soon an API process with a thousand open streams is gone, and its clients are elsewhere."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.progress.load import Load
from benchmarks.progress.scene import Scene

__all__ = ["sigterm"]

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
        run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
        opened = await watchers.ask(
            "open",
            paths=load.paths(run_ids),
            ports=[first.port, second.port],
            token=scene.token,
        )
        await publisher.ask("publish", groups=[load.group(run_ids)], seconds=_BEFORE + _AFTER)
        await asyncio.sleep(_BEFORE)

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
        counters = await scene.counters(second)
    return {
        "opened": opened,
        "exit_seconds": round(exit_seconds, 2),
        "exit_status": status,
        "resumed_after": resumed,
        "publisher": published,
        "messages": report,
        "counted_by_the_api": counters,
    }
