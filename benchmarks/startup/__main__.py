"""Measure what a start costs, and print the tables."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import startup
from benchmarks.startup.building import building_lines, measure_building
from benchmarks.startup.imports import import_lines, measure_imports
from benchmarks.startup.services import measure_services, service_lines

_Table = tuple[Callable[[int], Sequence[Any]], Callable[[Any], Iterable[str]]]

_TABLES: dict[str, _Table] = {
    "services": (lambda rounds: asyncio.run(measure_services(rounds)), service_lines),
    "building": (measure_building, building_lines),
    "imports": (measure_imports, import_lines),
}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description=startup.__doc__
    )
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="services, building, imports")
    parser.add_argument("--rounds", type=int, default=7, help="processes per figure (default: 7)")
    parser.add_argument("--json", metavar="FILE", help="write the tables as JSON too")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.tables) - set(_TABLES))
    if unknown:
        parser.error(f"no table is called {', '.join(unknown)}")
    content: dict[str, list[dict[str, Any]]] = {}
    for name in arguments.tables or _TABLES:
        measure, lines = _TABLES[name]
        rows = measure(max(1, arguments.rounds))
        content[name] = [asdict(row) for row in rows]
        print("\n".join(lines(rows)), end="\n\n", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
