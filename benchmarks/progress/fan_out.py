"""How soon a thousand browsers hear of a hundred runs over one API process, and what it costs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.progress.figures import machine_busy, read
from benchmarks.progress.scene import Scene

__all__ = ["Load", "control", "fan_out"]

_WARM = 20
"""Watchers that come and go before anything is measured."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is going on."""

    sockets: int = 1_000
    runs: int = 100
    rate: float = 10.0
    """Messages a second of each run."""
    seconds: float = 20.0
    """That are measured."""
    warm_up: float = 3.0
    """Seconds of the same load before that."""

    def paths(self, run_ids: list[str]) -> list[str]:
        """What each socket asks for: the runs in turn."""
        return [
            f"/api/runs/{run_ids[number % len(run_ids)]}/progress" for number in range(self.sockets)
        ]


async def fan_out(scene: Scene, load: Load) -> dict[str, Any]:
    """Measure it once, on an API process of its own."""
    async with scene.publisher() as publisher, scene.watchers() as watchers:
        # A first ending connects the publisher to Redis, so that what comes after is the API's.
        await publisher.ask("begin", runs=1)
        await publisher.ask("settle")
        warm = (await publisher.ask("begin", runs=1))["runs"]
        before_api = await scene.redis_connections()
        async with scene.api() as api:
            # What the first clients load of code and caches is no cost of a socket.
            async with scene.watchers() as early:
                paths = [f"/api/runs/{warm[0]}/progress"] * _WARM
                await early.ask("open", paths=paths, ports=[api.port], token=scene.token)
            await publisher.ask("settle")
            run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
            await asyncio.sleep(1)
            empty = read(api.pid)
            opened = await watchers.ask(
                "open", paths=load.paths(run_ids), ports=[api.port], token=scene.token
            )
            await asyncio.sleep(1)
            full, connections = read(api.pid), await scene.redis_connections()
            await publisher.ask("publish", rate=load.rate, seconds=load.warm_up + load.seconds)
            await asyncio.sleep(load.warm_up)
            now = time.monotonic_ns()
            await watchers.ask(
                "measure", from_ns=now, until_ns=now + int((load.seconds - 0.5) * 1e9)
            )
            began, busy = read(api.pid), machine_busy()
            published = await publisher.ask("published")
            ended, busy = read(api.pid), machine_busy() - busy
            waits = await watchers.ask("waits")
            await publisher.ask("settle")
            report = await watchers.ask("report", patience=30)
    expected = published["published"] * load.sockets // load.runs
    return {
        "sockets": load.sockets,
        "opened": opened,
        "publish_to_receive_ms": waits,
        "messages": {
            "published": published["published"],
            "to_be_received": expected + load.sockets,
            **report,
        },
        "publisher": published,
        "machine_cpu": busy / (ended.at - began.at),
        "api": {
            "cpu": ended.cpu_since(began),
            "rss_mb_before": round(empty.rss_kb / 1024, 1),
            "rss_mb_attached": round(full.rss_kb / 1024, 1),
            "rss_mb_under_load": round(ended.rss_kb / 1024, 1),
            "rss_mb_peak": round(ended.peak_rss_kb / 1024, 1),
            "kb_a_socket_attached": round((full.rss_kb - empty.rss_kb) / load.sockets, 1),
            "kb_a_socket_under_load": round((ended.rss_kb - empty.rss_kb) / load.sockets, 1),
        },
        "redis_connections": {
            "of_the_api": connections[0] - before_api[0],
            "subscribed": connections[1] - before_api[1],
        },
    }


async def control(scene: Scene, load: Load) -> dict[str, Any]:
    """The same load from a server that does nothing but send: what the client itself costs."""
    async with (
        scene.helper("benchmarks.progress.bare") as bare,
        scene.watchers() as watchers,
    ):
        port = (await bare.ask("listen"))["port"]
        paths = load.paths([str(number) for number in range(load.runs)])
        opened = await watchers.ask("open", paths=paths, ports=[port], token=scene.token)
        now, busy, began = time.monotonic_ns(), machine_busy(), time.monotonic()
        until = now + int(load.seconds * 1e9)
        await watchers.ask("measure", from_ns=now, until_ns=until)
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
        "machine_cpu": busy,
    }
