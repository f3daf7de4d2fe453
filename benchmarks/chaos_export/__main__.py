"""Run one campaign on exports and print its table; ends with 1 if anything is amiss."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.installation import forget_settings
from benchmarks.chaos_export.campaign import ExportCampaign
from benchmarks.chaos_export.shape import ExportShape, long_export, short_export
from benchmarks.chaos_export.table import ExportReport


def main() -> int:
    """Run the command."""
    arguments = _parser().parse_args()
    forget_settings()
    logs = Path(arguments.logs or tempfile.mkdtemp(prefix="chaos-export-logs-"))
    logs.mkdir(parents=True, exist_ok=True)
    report = asyncio.run(_campaign(arguments.seed, _shape(arguments), logs))
    print(report.as_text())
    if arguments.json:
        content = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        Path(arguments.json).write_text(content + "\n", encoding="utf-8")
    if report.verdict.is_good and not arguments.logs:
        shutil.rmtree(logs)
    else:
        print(f"logs of API, workers and stand-in: {logs}", file=sys.stderr)
    return 0 if report.verdict.is_good else 1


async def _campaign(seed: int, shape: ExportShape, logs: Path) -> ExportReport:
    with tempfile.TemporaryDirectory(prefix="chaos-export-") as directory:
        return await ExportCampaign(
            shape=shape, seed=seed, directory=Path(directory), logs=logs, say=_say
        ).run()


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos_export", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="same seed, same plan (default: 1)")
    parser.add_argument("--sessions", type=int, help="default: 20, or 3 with --short")
    parser.add_argument("--tickets", type=int, help="in all; default: 320, or 36")
    parser.add_argument("--seconds", type=float, help="of trouble at most; default: 330, or 25")
    parser.add_argument("--workers", type=int, help="default: 4, or 2")
    parser.add_argument("--short", action="store_true", help="about a minute")
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON too")
    parser.add_argument("--logs", metavar="DIR", help="keep the logs of all processes here")
    return parser


def _shape(arguments: argparse.Namespace) -> ExportShape:
    given = {
        name: value
        for name in ("sessions", "tickets", "seconds", "workers")
        if (value := getattr(arguments, name)) is not None
    }
    return short_export(**given) if arguments.short else long_export(**given)


if __name__ == "__main__":
    raise SystemExit(main())
