"""How soon a thousand browsers hear of a hundred runs over one API process, and what it costs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.progress.figures import machine_busy, read
from benchmarks.progress.lines import Helper
from benchmarks.progress.load import Load, path_of
from benchmarks.progress.scene import ApiProcess, Scene

__all__ = ["control", "fan_out", "warm"]

_WARM = 20
"""Watchers that come and go before anything is measured."""


async def fan_out(scene: Scene, load: Load) -> dict[str, Any]:
    """Measure it once, on an API process of its own."""
    async with scene.publisher() as publisher, scene.watchers() as watchers:
        before = await scene.redis_connections()
        async with scene.api() as api:
            await warm(scene, api, publisher)
            run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
            await asyncio.sleep(1)
            empty = read(api.pid)
            opened = await watchers.ask(
                "open", paths=load.paths(run_ids), ports=[api.port], token=scene.token
            )
            await asyncio.sleep(1)
            full, connections = read(api.pid), await scene.redis_connections()
            await publisher.ask(
                "publish", groups=[load.group(run_ids)], seconds=load.warm_up + load.seconds
            )
            await asyncio.sleep(load.warm_up)
            await watchers.ask("measure", seconds=load.seconds - 0.5)
            began, busy = read(api.pid), machine_busy()
            published = await publisher.ask("published")
            ended, busy = read(api.pid), machine_busy() - busy
            waits = await watchers.ask("waits")
            await publisher.ask("settle")
            report = await watchers.ask("report", patience=30)
            counters = await scene.counters(api)
    return {
        "sockets": load.sockets,
        "opened": opened,
        "publish_to_receive_ms": waits,
        "to_be_received": (published["published"] // load.runs + 1) * load.sockets,
        "messages": report,
        "counted_by_the_api": counters,
        "publisher": published,
        "machine_cpu": round(busy / (ended.at - began.at), 2),
        "api": {
            "cpu": round(ended.cpu_since(began), 3),
            "rss_mb_before": round(empty.rss_kb / 1024, 1),
            "rss_mb_attached": round(full.rss_kb / 1024, 1),
            "rss_mb_under_load": round(ended.rss_kb / 1024, 1),
            "rss_mb_peak": round(ended.peak_rss_kb / 1024, 1),
            "kb_a_socket_attached": round((full.rss_kb - empty.rss_kb) / load.sockets, 1),
            "kb_a_socket_under_load": round((ended.rss_kb - empty.rss_kb) / load.sockets, 1),
        },
        "redis_connections": {
            # One of the others is the publisher's, made since.
            "of_the_api": connections[0] - before[0] - 1,
            "subscribed": connections[1] - before[1],
        },
    }


async def warm(scene: Scene, api: ApiProcess, publisher: Helper) -> None:
    """Let clients come and go: what the first ones load of code and caches is no figure of ours."""
    (run_id,) = (await publisher.ask("begin", runs=1))["runs"]
    async with scene.watchers() as early:
        paths = [path_of(run_id)] * _WARM
        await early.ask("open", paths=paths, ports=[api.port], token=scene.token)
        await publisher.ask("settle")
        await early.ask("report", patience=10)


async def control(scene: Scene, load: Load) -> dict[str, Any]:
    """The same load from a server that does nothing but send: what the client itself costs."""
    async with (
        scene.helper("benchmarks.progress.bare") as bare,
        scene.watchers() as watchers,
    ):
        port = (await bare.ask("listen"))["port"]
        paths = load.paths([str(number) for number in range(load.runs)])
        opened = await watchers.ask("open", paths=paths, ports=[port], token=scene.token)
        await watchers.ask("measure", seconds=load.seconds)
        busy, began = machine_busy(), time.monotonic()
        sent = await bare.ask("publish", rate=load.rate, seconds=load.seconds)
        busy = (machine_busy() - busy) / (time.monotonic() - began)
        waits = await watchers.ask("waits")
        report = await watchers.ask("report", patience=30)
    return {
        "sockets": load.sockets,
        "opened": opened,
        "send_to_receive_ms": waits,
        "messages": report,
        "server": sent,
        "machine_cpu": round(busy, 2),
    }
