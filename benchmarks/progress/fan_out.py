"""How soon a thousand browsers hear of a hundred runs over one API process, and what it costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.progress.bars import Line, nothing_lost
from benchmarks.progress.figures import Reading, machine_busy, read
from benchmarks.progress.lines import Helper
from benchmarks.progress.load import Load
from benchmarks.progress.scene import ApiProcess, Scene

__all__ = ["control", "fan_out", "lines_of_control", "lines_of_fan_out", "warm"]

_WARM = 20
"""Watchers that come and go before anything is measured."""


async def fan_out(scene: Scene, load: Load) -> dict[str, Any]:
    """Measure it once, on an API process of its own."""
    async with scene.publisher() as publisher, scene.watchers() as watchers:
        none = await scene.redis_connections()
        async with scene.api() as api:
            await warm(scene, api, publisher)
            run_ids = (await publisher.ask("begin", runs=load.runs))["runs"]
            await asyncio.sleep(1)
            empty, few = read(api.pid), await scene.redis_connections()
            opened = await watchers.ask("open", **load.opening(run_ids, scene, api))
            await asyncio.sleep(1)
            full, many = read(api.pid), await scene.redis_connections()
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
            counted = await scene.counters(api)
    return {
        "sockets": load.sockets,
        "opened": opened,
        "publish_to_receive_ms": waits,
        "to_be_received": (published["published"] // load.runs + 1) * load.sockets,
        "messages": report,
        "counted_by_the_api": counted,
        "publisher": published,
        "machine_cpu": round(busy / (ended.at - began.at), 2),
        "api": {"cpu": round(ended.cpu_since(began), 3), **_sizes(load, empty, full, ended)},
        "redis_connections": {
            # One is the publisher's, made since.
            "without_sockets": few[0] - none[0] - 1,
            "with_all": many[0] - none[0] - 1,
            "of_these_subscribed": many[1] - none[1],
        },
    }


def _sizes(load: Load, empty: Reading, full: Reading, ended: Reading) -> dict[str, float]:
    return {
        "rss_mb_before": round(empty.rss_kb / 1024, 1),
        "rss_mb_attached": round(full.rss_kb / 1024, 1),
        "rss_mb_under_load": round(ended.rss_kb / 1024, 1),
        "kb_a_socket_attached": round((full.rss_kb - empty.rss_kb) / load.sockets, 1),
        "kb_a_socket_under_load": round((ended.rss_kb - empty.rss_kb) / load.sockets, 1),
    }


def lines_of_fan_out(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    waits, api, redis = found["publish_to_receive_ms"], found["api"], found["redis_connections"]
    grown = redis["with_all"] - redis["without_sockets"]
    return [
        Line(what="publish to receive, p50", measured=waits["p50"], unit="ms"),
        Line(what="publish to receive, p99", measured=waits["p99"], most=100, unit="ms"),
        Line(what="publish to receive, longest", measured=waits["max"], unit="ms"),
        Line(what="a socket, attached", measured=api["kb_a_socket_attached"], most=60, unit="KB"),
        Line(
            what="a socket, under load", measured=api["kb_a_socket_under_load"], most=60, unit="KB"
        ),
        Line(what="subscribed Redis connections", measured=redis["of_these_subscribed"], most=1),
        Line(what="Redis connections more for all sockets", measured=grown, most=1),
        Line(what="processors of the API", measured=api["cpu"]),
        Line(what="processors of the client", measured=waits["client_cpu"]),
        Line(what="processors of the machine in use", measured=found["machine_cpu"]),
        Line(what="attaching all of them", measured=found["opened"]["seconds"], unit="s"),
        *nothing_lost(found["messages"], found["counted_by_the_api"]),
    ]


async def warm(scene: Scene, api: ApiProcess, publisher: Helper) -> None:
    """Let clients come and go: what the first ones load of code and caches is no figure of ours."""
    run_ids = (await publisher.ask("begin", runs=1))["runs"]
    load = Load(sockets=_WARM)
    async with scene.watchers() as early:
        await early.ask("open", **load.opening(run_ids, scene, api))
        await publisher.ask("settle")
        await early.ask("report", patience=10)


async def control(scene: Scene, load: Load) -> dict[str, Any]:
    """The same load from a server that does nothing but send: what the client itself costs."""
    async with (
        scene.helper("benchmarks.progress.bare") as bare,
        scene.watchers() as watchers,
    ):
        port = (await bare.ask("listen"))["port"]
        names = [str(number) for number in range(load.runs)]
        opening = load.opening(names, scene) | {"ports": [port]}
        opened = await watchers.ask("open", **opening)
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


def lines_of_control(found: Mapping[str, Any]) -> list[Line]:
    """The table."""
    waits = found["send_to_receive_ms"]
    return [
        Line(what="send to receive, p50", measured=waits["p50"], unit="ms"),
        Line(what="send to receive, p99", measured=waits["p99"], unit="ms"),
        Line(what="send to receive, longest", measured=waits["max"], unit="ms"),
        Line(what="processors of the client", measured=waits["client_cpu"]),
        Line(what="processors of the bare server", measured=found["server"]["cpu"]),
        Line(what="processors of the machine in use", measured=found["machine_cpu"]),
    ]
