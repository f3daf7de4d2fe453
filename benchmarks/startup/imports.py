"""Which packages the start of a worker is spent on, as Python itself counts it."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.startup.processes import environment_in

__all__ = ["ImportRow", "import_lines", "measure_imports"]

_HEAVIEST = 10

_LOADED = (
    "import ticketgen.cli.worker; "
    "from ticketgen.worker import build_worker_settings; build_worker_settings()"
)

_LINE = re.compile(r"import time:\s+(?P<own>\d+) \|\s+\d+ \| (?P<depth>\s*)(?P<module>\S+)")

_STANDARD = "the standard library"


@dataclass(frozen=True, kw_only=True)
class ImportRow:
    """One line of the table."""

    package: str
    milliseconds: float
    """Of its own modules, without what these import of other packages."""
    modules: int


def measure_imports(rounds: int) -> tuple[ImportRow, ...]:
    """The heaviest packages that a worker with the four plugins imports, the heaviest first.

    Measuring makes importing slower by about a tenth: shares say more than sums.
    """
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="ticketgen-startup-") as directory:
        for number in range(rounds + 1):
            print(f"imports, round {number} of {rounds}", file=sys.stderr, flush=True)
            sums = _imported(Path(directory))
            for package, figure in sums.items() if number else ():
                found[package].append(figure)
    rows = [
        ImportRow(
            package=package,
            milliseconds=round(statistics.median(own for own, _ in figures) / 1000, 1),
            modules=figures[0][1],
        )
        for package, figures in found.items()
    ]
    rows.sort(key=lambda row: -row.milliseconds)
    rest = rows[_HEAVIEST:]
    return (
        *rows[:_HEAVIEST],
        ImportRow(
            package=f"{len(rest)} others",
            milliseconds=round(sum(row.milliseconds for row in rest), 1),
            modules=sum(row.modules for row in rest),
        ),
    )


def import_lines(rows: Sequence[ImportRow]) -> Iterator[str]:
    """The table for people."""
    yield f"{'a worker imports':<32}{'ms':>8}{'modules':>9}"
    for row in rows:
        yield f"{row.package:<32}{row.milliseconds:>8.1f}{row.modules:>9}"
    total = sum(row.milliseconds for row in rows)
    yield f"{'all':<32}{total:>8.1f}{sum(row.modules for row in rows):>9}"


def _imported(directory: Path) -> Mapping[str, tuple[int, int]]:
    """Microseconds and modules of every package in one process."""
    environment = {
        **environment_in(directory),
        "TICKETGEN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
        "TICKETGEN_REDIS_URL": "redis://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _LOADED],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    sums: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for line in done.stderr.splitlines():
        match = _LINE.match(line)
        if match is not None:
            package = _package(match["module"])
            time, modules = sums[package]
            sums[package] = (time + int(match["own"]), modules + 1)
    return sums


def _package(module: str) -> str:
    top = module.partition(".")[0]
    return _STANDARD if top in sys.stdlib_module_names else top
