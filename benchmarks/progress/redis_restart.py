"""How soon messages flow again to everybody when Redis was killed and is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.progress.bars import Line, nothing_lost
from benchmarks.progress.load import Load, path_of
from benchmarks.progress.scene import Scene

__all__ = ["lines_of_redis_restart", "redis_restart"]

_BEFORE, _AFTER = 5.0, 15.0
"""Seconds of publishing before and after."""


async def redis_restart(scene: Scene, load: Load, *, outage: float, wipe: bool) -> dict[str, Any]:
    """Kill Redis under the load, end some runs meanwhile, and start it again."""
    async with (
        scene.publisher() as publisher,
        scene.watchers() as watchers,
        scene.api() as api,
    ):
        run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
        opened = await watchers.ask("open", **load.opening(run_ids, scene, api))
        await publisher.ask(
            "publish", groups=[load.group(run_ids)], seconds=_BEFORE + outage + _AFTER
        )
        await asyncio.sleep(_BEFORE)

        await asyncio.to_thread(scene.servers.kill_redis)
        killed = time.monotonic()
        ending = run_ids[: load.runs // 10]
        paths = [path_of(run_id, events=load.events) for run_id in ending]
        await watchers.ask("mark")
        await publisher.ask("settle", runs=ending)
        await asyncio.sleep(max(0, outage - (time.monotonic() - killed)))
        ended = await watchers.ask("ended", paths=paths)
        await asyncio.to_thread(scene.servers.start_redis, wipe=wipe)
        away = time.monotonic() - killed
        await watchers.ask("mark")
        await asyncio.sleep(_AFTER - 1)
        back = await watchers.ask("back")
        ended_late = await watchers.ask("ended", paths=paths)

        published = await publisher.ask("published")
        await publisher.ask("settle")
        report = await watchers.ask("report", patience=60)
        counters = await scene.counters(api)
        restarted = api.process.returncode is not None
    return {
        "opened": opened,
        "redis_away_seconds": round(away, 2),
        "wiped": wipe,
        "flows_again_after": back,
        "ended_while_away": {"before_it_was_back": ended, "after_it_was_back": ended_late},
        "api_ended": restarted,
        "publisher": published,
        "messages": report,
        "counted_by_the_api": counters,
    }


def lines_of_redis_restart(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    back, ended = found["flows_again_after"], found["ended_while_away"]["before_it_was_back"]
    return [
        Line(what="Redis was away", measured=found["redis_away_seconds"], unit="s"),
        Line(
            what="to the last client's next message",
            measured=back["seconds"]["max"],
            most=5,
            unit="s",
        ),
        Line(what="clients without news", measured=back["silent"], most=0, is_truth=True),
        Line(
            what="to the last ending of a run that ended meanwhile",
            measured=ended["seconds"].get("max", -1),
            unit="s",
        ),
        Line(what="processes restarted", measured=found["api_ended"], most=0, is_truth=True),
        *nothing_lost(found["messages"], found["counted_by_the_api"]),
    ]
