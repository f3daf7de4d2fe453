"""What readers that stop reading cost the API process, and everybody else on it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from benchmarks.progress.bars import Line, nothing_lost
from benchmarks.progress.figures import read
from benchmarks.progress.lines import Helper
from benchmarks.progress.load import Load, path_of
from benchmarks.progress.scene import ApiProcess, Scene

__all__ = ["lines_of_stalled", "stalled"]

_LOUD = {"rate": 20.0, "bytes": 8_000}
"""The run whose readers stall: 160 KB a second for each of them, which no buffer of the system
takes for long."""
_LOUD_BYTES = _LOUD["rate"] * _LOUD["bytes"]

_LOOKS = 12


async def stalled(
    scene: Scene, load: Load, *, readers: int, stall_seconds: float
) -> dict[str, Any]:
    """The same load twice on one API process, without and with readers that do not read."""
    async with (
        scene.publisher() as publisher,
        scene.watchers() as watchers,
        scene.watchers() as sleepers,
        scene.api() as api,
    ):
        run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
        (loud,) = (await publisher.ask("begin", runs=1))["runs"]
        opening = load.opening(run_ids, scene, api)
        opening["paths"].append(path_of(loud, events=load.events))
        opened = await watchers.ask("open", **opening)
        groups = [load.group(run_ids), {"runs": [loud], **_LOUD}]
        everything = load.warm_up + load.seconds + stall_seconds + 5
        await publisher.ask("publish", groups=groups, seconds=everything)
        await asyncio.sleep(load.warm_up)

        without = await _measured(api, watchers, load.seconds, looks=2)
        told = await sleepers.ask(
            "stall", paths=[path_of(loud)] * readers, port=api.port, token=scene.token
        )
        beside = await _measured(api, watchers, stall_seconds, looks=_LOOKS)
        ends = await sleepers.ask("stalled")
        published = await publisher.ask("published")
        await publisher.ask("settle")
        report = await watchers.ask("report", patience=30)
        counters = await scene.counters(api)
    return {
        "opened": opened,
        **told,
        **ends,
        "published_for_them_mb": round(
            readers * stall_seconds * _LOUD["rate"] * _LOUD["bytes"] / 1e6
        ),
        "without": without,
        "beside_them": beside,
        "p99_ratio": round(beside["waits"]["p99"] / without["waits"]["p99"], 2),
        "publisher": published,
        "messages": report,
        "counted_by_the_api": counters,
    }


def lines_of_stalled(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    without, beside = found["without"], found["beside_them"]
    grown = max(beside["rss_mb"]) - beside["rss_mb_before"]
    return [
        Line(what="p99 of the others, without", measured=without["waits"]["p99"], unit="ms"),
        Line(what="p99 of the others, beside them", measured=beside["waits"]["p99"], unit="ms"),
        Line(what="ratio of the two", measured=found["p99_ratio"]),
        Line(what="processors of the API, without", measured=without["api_cpu"]),
        Line(what="processors of the API, beside them", measured=beside["api_cpu"]),
        Line(
            what="published for those who stall", measured=found["published_for_them_mb"], unit="MB"
        ),
        Line(what="growth of the API meanwhile", measured=round(grown, 1), unit="MB"),
        *nothing_lost(found["messages"], found["counted_by_the_api"]),
    ]


async def _measured(
    api: ApiProcess, watchers: Helper, seconds: float, *, looks: int
) -> dict[str, Any]:
    before, sizes = read(api.pid), []
    await watchers.ask("measure", seconds=seconds)
    for _ in range(looks):
        await asyncio.sleep(seconds / looks)
        sizes.append(round(read(api.pid).rss_kb / 1024, 1))
    await asyncio.sleep(0.5)
    return {
        "api_cpu": round(read(api.pid).cpu_since(before), 3),
        "rss_mb_before": round(before.rss_kb / 1024, 1),
        "rss_mb": sizes,
        "waits": await watchers.ask("waits"),
    }
