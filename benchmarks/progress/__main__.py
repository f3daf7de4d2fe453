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

from benchmarks.progress.fan_out import Load, control, fan_out
from benchmarks.progress.scene import Scene, scene

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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.progress", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="MEASUREMENT")
    _add(commands, "fan-out", _fan_out, "1,000 sockets, 100 runs, one API process")
    _add(commands, "control", _control, "the same from a server that does nothing but send")
    return parser


def _add(commands: Any, name: str, measure: Measurement, summary: str) -> None:
    command = commands.add_parser(name, help=summary)
    command.set_defaults(measure=measure)
    command.add_argument("--sockets", type=int, default=1_000)
    command.add_argument("--runs", type=int, default=100)
    command.add_argument("--rate", type=float, default=10, help="messages a second of each run")
    command.add_argument("--seconds", type=float, default=20)
    command.add_argument("--json", metavar="FILE", help="write the figures here too")
    command.add_argument("--logs", metavar="DIR", help="keep the logs of all processes here")


if __name__ == "__main__":
    raise SystemExit(main())
