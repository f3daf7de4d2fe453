"""Measure one row of the table of progress, print it, and keep it as JSON if asked."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.progress.endings import endings
from benchmarks.progress.fan_out import control, fan_out
from benchmarks.progress.load import Load
from benchmarks.progress.redis_restart import redis_restart
from benchmarks.progress.scene import Scene, scene
from benchmarks.progress.sigterm import sigterm
from benchmarks.progress.stalled import stalled

Measurement = Callable[[Scene, argparse.Namespace], Awaitable[dict[str, Any]]]


def main() -> int:
    """Run the command."""
    arguments = _parser().parse_args()
    logs = Path(arguments.logs or tempfile.mkdtemp(prefix="progress-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    print(f"logs: {logs}", file=sys.stderr)
    result = asyncio.run(_measured(arguments, logs))
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json:
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    return 0


async def _measured(arguments: argparse.Namespace, logs: Path) -> dict[str, Any]:
    measure: Measurement = arguments.measure
    with tempfile.TemporaryDirectory(prefix="progress-") as directory:
        async with scene(Path(directory), logs) as stage:
            return await measure(stage, arguments)


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        sockets=arguments.sockets,
        runs=arguments.runs,
        rate=arguments.rate,
        seconds=arguments.seconds,
    )


async def _fan_out(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await fan_out(stage, _load(arguments))


async def _control(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await control(stage, _load(arguments))


async def _stalled(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await stalled(
        stage,
        _load(arguments),
        readers=arguments.readers,
        stall_seconds=arguments.stall_seconds,
    )


async def _redis_restart(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await redis_restart(
        stage,
        _load(arguments),
        outage=arguments.outage,
        wipe=arguments.wipe,
        endings=arguments.runs // 10,
    )


async def _sigterm(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await sigterm(stage, _load(arguments))


async def _endings(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await endings(
        stage,
        runs=arguments.runs,
        seed=arguments.seed,
        batch=arguments.at_once,
        pace=arguments.pace,
        cut=arguments.cut,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.progress", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="MEASUREMENT")
    command = _add(commands, "endings", _endings, "runs that end while clients come and go")
    command.add_argument("--runs", type=int, default=10_000)
    command.add_argument("--seed", type=int, default=1, help="same seed, same plan (default: 1)")
    command.add_argument("--pace", type=float, default=1, help="slower by so much")
    command.add_argument(
        "--cut", type=float, default=0, help="cut the subscription every so many seconds"
    )
    command.add_argument("--at-once", type=int, default=200, help="runs of a batch")
    _add_loaded(commands, "fan-out", _fan_out, "1,000 sockets, 100 runs, one API process")
    _add_loaded(commands, "control", _control, "the same from a server that only sends")
    command = _add_loaded(commands, "stalled", _stalled, "the same beside readers that stop")
    command.add_argument("--readers", type=int, default=10, help="that stop reading")
    command.add_argument("--stall-seconds", type=float, default=60)
    command = _add_loaded(commands, "redis-restart", _redis_restart, "Redis is killed and is back")
    command.add_argument("--outage", type=float, default=3, help="seconds without Redis")
    command.add_argument("--wipe", action="store_true", help="it comes back with nothing")
    _add_loaded(commands, "sigterm", _sigterm, "one of two API processes is told to stop")
    return parser


def _add_loaded(
    commands: Any, name: str, measure: Measurement, summary: str
) -> argparse.ArgumentParser:
    command = _add(commands, name, measure, summary)
    command.add_argument("--sockets", type=int, default=1_000)
    command.add_argument("--runs", type=int, default=100)
    command.add_argument("--rate", type=float, default=10, help="messages a second of each run")
    command.add_argument("--seconds", type=float, default=20)
    return command


def _add(commands: Any, name: str, measure: Measurement, summary: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=summary)
    command.set_defaults(measure=measure)
    command.add_argument("--json", metavar="FILE", help="write the figures here too")
    command.add_argument("--logs", metavar="DIR", help="keep the logs of all processes here")
    return command


if __name__ == "__main__":
    raise SystemExit(main())
