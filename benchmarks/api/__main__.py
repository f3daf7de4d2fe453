"""Measure one API process: many users at once, at one, ten and a hundred times the rows."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import asdict
from typing import Any

from benchmarks.api.figures import Figures
from benchmarks.api.serving import ApiProcess, Person, installation, people_of
from benchmarks.api.uploading import upload
from benchmarks.growth.filling import Shape

_UPLOADS = (("one of 50 MB", 1, 25), ("20 at once of 10 MB each", 20, 5))
"""What is sent: by how many at once, how many files of 2 MB."""


def main() -> int:
    """Run the command."""
    arguments = _parser().parse_args()
    return asyncio.run(_uploads() if arguments.uploads else _loads(arguments))


async def _loads(arguments: argparse.Namespace) -> int:
    errors = 0
    first: Figures | None = None
    for rows in arguments.rows:
        print(f"\n{rows:,} rows, {arguments.users} users, pause {arguments.pause} s", flush=True)
        async with installation(rows=rows, people=arguments.users) as api:
            print(f"process {api.pid}", flush=True)
            figures = await _load(api, people_of(Shape(rows=rows), arguments.users), arguments)
        print(figures.as_text(beside=first), flush=True)
        first = first or figures
        errors += len(figures.errors)
    return 1 if errors else 0


async def _load(api: ApiProcess, people: list[Person], arguments: argparse.Namespace) -> Figures:
    load = {
        "host": api.host,
        "port": api.port,
        "seconds": arguments.seconds,
        "pause": arguments.pause,
        "people": [{name: str(value) for name, value in asdict(one).items()} for one in people],
    }
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.api.mix"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    cpu, memory = api.cpu_seconds(), api.memory()
    told, _ = await client.communicate(json.dumps(load).encode())
    found: dict[str, Any] = json.loads(told)
    return Figures(
        taken=found["taken"],
        errors=found["errors"],
        seconds=found["seconds"],
        cpu_seconds=api.cpu_seconds() - cpu,
        memory=(memory, api.memory()),
    )


async def _uploads() -> int:
    most = max(count for _, count, _ in _UPLOADS)
    async with installation(rows=10_000, people=most) as api:
        people = people_of(Shape(rows=10_000), most)
        await upload(api, people[:1], files=1)  # what is loaded once is not counted
        print(f"resident before: {api.memory():.0f} MB")
        for name, count, files in _UPLOADS:
            peak = await upload(api, people[:count], files=files)
            print(f"{name:30} {peak:6.0f} MB more at the peak, {api.memory():.0f} MB after it")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[10_000, 100_000, 1_000_000],
        help="sizes to measure at, one after another (default: 10000 100000 1000000)",
    )
    parser.add_argument("--users", type=int, default=200, help="at once (default: 200)")
    parser.add_argument(
        "--pause",
        type=float,
        default=0.0,
        help="seconds a user looks at each answer on average (default: 0, as fast as it goes)",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of load (default: 20)")
    parser.add_argument(
        "--uploads", action="store_true", help="measure what uploads take of memory instead"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
