"""Run one campaign and print its table; ends with 1 if something was lost, doubled or stuck."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.campaign import Campaign
from benchmarks.chaos.installation import forget_settings
from benchmarks.chaos.shape import Shape, long_shape, short_shape
from benchmarks.chaos.table import Report


def main() -> int:
    """Run the command."""
    arguments = _parser().parse_args()
    forget_settings()
    logs = Path(arguments.logs or tempfile.mkdtemp(prefix="chaos-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    report = asyncio.run(_campaign(arguments.seed, _shape(arguments), logs))
    print(report.as_text())
    if arguments.json:
        content = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        Path(arguments.json).write_text(content + "\n", encoding="utf-8")
    if report.verdict.is_good and not arguments.logs:
        shutil.rmtree(logs)
    else:
        print(f"logs of API and workers: {logs}", file=sys.stderr)
    return 0 if report.verdict.is_good else 1


async def _campaign(seed: int, shape: Shape, logs: Path) -> Report:
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        return await Campaign(
            shape=shape, seed=seed, directory=Path(directory), logs=logs, say=_say
        ).run()


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="same seed, same plan (default: 1)")
    parser.add_argument("--runs", type=int, help="default: 300, or 40 with --short")
    parser.add_argument("--seconds", type=float, help="of trouble; default: 180, or 10")
    parser.add_argument("--workers", type=int, help="default: 4, or 3")
    parser.add_argument(
        "--short", action="store_true", help="less than a minute, with short leases"
    )
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON too")
    parser.add_argument("--logs", metavar="DIR", help="keep the logs of API and workers here")
    return parser


def _shape(arguments: argparse.Namespace) -> Shape:
    given = {
        name: value
        for name in ("runs", "seconds", "workers")
        if (value := getattr(arguments, name)) is not None
    }
    return short_shape(**given) if arguments.short else long_shape(**given)


if __name__ == "__main__":
    raise SystemExit(main())
