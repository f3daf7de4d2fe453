"""Measure one row of the table of progress, print it, and keep it as JSON if asked."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.progress.bars import Line, as_text, median
from benchmarks.progress.endings import endings, lines_of_endings
from benchmarks.progress.fan_out import control, fan_out, lines_of_control, lines_of_fan_out
from benchmarks.progress.load import Load
from benchmarks.progress.redis_restart import lines_of_redis_restart, redis_restart
from benchmarks.progress.scene import Scene, scene
from benchmarks.progress.sigterm import lines_of_sigterm, sigterm
from benchmarks.progress.stalled import lines_of_stalled, stalled

Measurement = Callable[[Scene, argparse.Namespace], Awaitable[dict[str, Any]]]
Table = Callable[[Mapping[str, Any]], list[Line]]


def main() -> int:
    """Run the command; 1 says that something was lost, doubled or never came."""
    arguments = _parser().parse_args()
    logs = Path(arguments.logs or tempfile.mkdtemp(prefix="progress-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    print(f"logs of all processes: {logs}", file=sys.stderr)
    results = asyncio.run(_measured(arguments, logs))
    table: Table = arguments.table
    each = [table(result) for result in results]
    print(as_text(table(median(results))))
    if len(results) > 1:
        print(f"middle of {len(results)}; each stands in the JSON")
    if arguments.json:
        text = json.dumps({"median": median(results), "each": results}, indent=2)
        Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    return int(any(line.is_truth and not line.is_met for lines in each for line in lines))


async def _measured(arguments: argparse.Namespace, logs: Path) -> list[dict[str, Any]]:
    measure: Measurement = arguments.measure
    with tempfile.TemporaryDirectory(prefix="progress-") as directory:
        async with scene(Path(directory), logs) as stage:
            return [await measure(stage, arguments) for _ in range(arguments.repeat)]


def _load(arguments: argparse.Namespace) -> Load:
    names = ("sockets", "runs", "rate", "seconds", "events")
    return Load(**{name: getattr(arguments, name) for name in names})


async def _endings(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await endings(
        stage,
        runs=arguments.runs,
        seed=arguments.seed,
        batch=arguments.at_once,
        pace=arguments.pace,
        cut=arguments.cut,
    )


async def _fan_out(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await fan_out(stage, _load(arguments))


async def _control(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await control(stage, _load(arguments))


async def _stalled(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await stalled(
        stage, _load(arguments), readers=arguments.readers, stall_seconds=arguments.stall_seconds
    )


async def _redis_restart(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await redis_restart(
        stage, _load(arguments), outage=arguments.outage, wipe=arguments.wipe
    )


async def _sigterm(stage: Scene, arguments: argparse.Namespace) -> dict[str, Any]:
    return await sigterm(stage, _load(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.progress", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="MEASUREMENT")
    command = commands.add_parser("endings", help="runs that end while clients come and go")
    _add_common(command, _endings, lines_of_endings)
    command.add_argument("--runs", type=int, default=10_000)
    command.add_argument("--seed", type=int, default=1, help="same seed, same plan (default: 1)")
    command.add_argument("--pace", type=float, default=1, help="slower by so much")
    command.add_argument("--cut", type=float, default=0, help="cut the subscription so often, in s")
    command.add_argument("--at-once", type=int, default=200, help="runs of a batch")
    command = commands.add_parser("fan-out", help="1,000 sockets, 100 runs, one API process")
    _add_load(command, _fan_out, lines_of_fan_out)
    command = commands.add_parser("control", help="the same from a server that only sends")
    _add_load(command, _control, lines_of_control)
    command = commands.add_parser("stalled", help="the same beside readers that stop")
    _add_load(command, _stalled, lines_of_stalled)
    command.add_argument("--readers", type=int, default=10, help="that stop reading")
    command.add_argument("--stall-seconds", type=float, default=60)
    command = commands.add_parser("redis-restart", help="Redis is killed and is back")
    _add_load(command, _redis_restart, lines_of_redis_restart)
    command.add_argument("--outage", type=float, default=3, help="seconds without Redis")
    command.add_argument("--wipe", action="store_true", help="it comes back with nothing")
    command = commands.add_parser("sigterm", help="one of two API processes is told to stop")
    _add_load(command, _sigterm, lines_of_sigterm)
    return parser


def _add_load(command: argparse.ArgumentParser, measure: Measurement, table: Table) -> None:
    _add_common(command, measure, table)
    command.add_argument("--sockets", type=int, default=1_000)
    command.add_argument("--runs", type=int, default=100)
    command.add_argument("--rate", type=float, default=10, help="messages a second of each run")
    command.add_argument("--seconds", type=float, default=20)
    command.add_argument("--events", action="store_true", help="server-sent events")


def _add_common(command: argparse.ArgumentParser, measure: Measurement, table: Table) -> None:
    command.set_defaults(measure=measure, table=table)
    command.add_argument("--repeat", type=int, default=1, help="print the middle of so many")
    command.add_argument("--json", metavar="FILE", help="write all figures here")
    command.add_argument("--logs", metavar="DIR", help="keep the logs of all processes here")


if __name__ == "__main__":
    raise SystemExit(main())
