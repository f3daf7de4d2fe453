"""Print what every question takes at each size, as a ratio to the first, and how it is answered."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.chaos.installation import forget_settings
from benchmarks.growth.filling import Shape, fill
from benchmarks.growth.plans import Asked, ask
from benchmarks.growth.questions import QUESTIONS, WATCHED
from benchmarks.growth.sample import Sample
from ticketgen.database import create_engine
from ticketgen.embedded import EmbeddedServers
from ticketgen.migrations import installed_trees, upgrade_all
from ticketgen.settings import load_settings
from ticketgen.testing.servers import clone_database

__all__ = ["main"]


def main() -> int:
    """Run the command; ends with 1 if at the largest size a growing table is read as a whole."""
    arguments = _parser().parse_args()
    forget_settings()
    found = asyncio.run(_measured(arguments.rows, arguments.times, arguments.only))
    print(_table(found))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(_as_json(found), indent=2), encoding="utf-8")
    whole = _read_whole(found[max(found)])
    print("\n".join(whole) or "No table that grows is read as a whole.")
    return 1 if whole else 0


async def _measured(sizes: list[int], times: int, only: str) -> dict[int, dict[str, Asked]]:
    """Size → question → the quickest answer.

    All sizes are asked in turns, so that what else the machine does hits them alike.
    """
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="growth-"))
        servers = stack.enter_context(EmbeddedServers(Path(directory), durable=False))
        engines = {
            rows: await stack.enter_async_context(_database(servers, directory, rows))
            for rows in sizes
        }
        found: dict[int, dict[str, Asked]] = {rows: {} for rows in sizes}
        for name, question in QUESTIONS.items():
            if only not in name:
                continue
            for _ in range(times):
                for rows, engine in engines.items():
                    asked = await ask(engine, partial(question, at=Sample(shape=Shape(rows=rows))))
                    quickest = found[rows].get(name, asked)
                    found[rows][name] = min(asked, quickest, key=lambda one: one.seconds)
        return found


@asynccontextmanager
async def _database(
    servers: EmbeddedServers, directory: str, rows: int
) -> AsyncIterator[AsyncEngine]:
    began = time.perf_counter()
    url = await clone_database(servers.database_url, "template0")
    settings = load_settings(database_url=url, redis_url=servers.redis_url, data_dir=directory)
    engine = create_engine(settings, application_name="growth")
    try:
        await upgrade_all(engine, installed_trees(settings).trees)
        await fill(engine, Shape(rows=rows))
        print(f"{rows:,} rows: filled in {time.perf_counter() - began:.0f} s", flush=True)
        yield engine
    finally:
        await engine.dispose()


def _table(found: dict[int, dict[str, Asked]]) -> str:
    first, *more = found
    largest = found[max(found)]
    wide = max(len(name) for name in largest)
    head = "".join(f"{f'{rows:,}':>11}" for rows in found)
    lines = [f"{'':{wide}} {head}   pages of each, and what is read at the largest size"]
    for name, asked in largest.items():
        base = found[first][name].seconds
        ratios = "".join(f"{found[rows][name].seconds / base:10.2f}×" for rows in more)
        pages = " ".join(f"{at_size[name].pages:6}" for at_size in found.values())
        kinds = sorted({str(scan) for scan in asked.scans})
        lines.append(f"{name:{wide}} {base * 1000:8.2f} ms{ratios}  {pages}  {', '.join(kinds)}")
    return "\n".join(lines)


def _read_whole(found: dict[str, Asked]) -> list[str]:
    return [
        f"READ AS A WHOLE: {scan.table} by {name}"
        for name, asked in found.items()
        for scan in asked.scans
        if scan.is_sequential and scan.table in WATCHED
    ]


def _as_json(found: dict[int, dict[str, Asked]]) -> dict[str, dict[str, object]]:
    return {
        str(rows): {
            name: {
                "seconds": asked.seconds,
                "pages": asked.pages,
                "statements": len(asked.statements),
                "scans": [str(scan) for scan in asked.scans],
            }
            for name, asked in at_size.items()
        }
        for rows, at_size in found.items()
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[10_000, 100_000, 1_000_000],
        help="of runs, tickets, audit entries … each (default: 10000 100000 1000000)",
    )
    parser.add_argument("--times", type=int, default=7, help="each is asked (default: 7)")
    parser.add_argument("--only", default="", help="questions whose name has this")
    parser.add_argument("--json", metavar="FILE", help="write what was found as JSON too")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
