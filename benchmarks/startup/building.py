"""What importing, `--help`, and building API and worker cost with 0, 4 and 54 plugins.

Nothing connects to a server. Every figure is the middle one of several processes of its own, taken
in turns, so that what else the machine does hits all of them alike.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.startup.processes import environment_in
from benchmarks.startup.strangers import STRANGERS, installed_strangers

__all__ = ["Row", "building_lines", "measure_building"]

_BUILDING = """
from time import process_time
{imports}
began = process_time()
{build}
print(process_time() - began)
"""

_REGISTRY = _BUILDING.format(
    imports=(
        "from ticketgen.registry import load_registry\nfrom ticketgen.settings import load_settings"
    ),
    build="load_registry(load_settings())",
)
_API = _BUILDING.format(
    imports=(
        "from ticketgen.api.app import create_app\nfrom ticketgen.runtime import build_runtime"
    ),
    build="create_app(build_runtime())",
)
_WORKER = _BUILDING.format(
    imports="from ticketgen.worker import build_worker_settings", build="build_worker_settings()"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One thing to start."""

    name: str
    command: tuple[str, ...]
    """Arguments of the interpreter."""
    plugins: int = 0
    building: bool = False
    """Whether it prints how long it built after its imports."""
    compared_with: str
    """Name and number of plugins of the case its ratio is taken from."""

    @property
    def key(self) -> str:
        """What others call it in `compared_with`."""
        return f"{self.name}, {self.plugins}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one process took."""

    cpu: float
    """Processor seconds, its own and the system's."""
    clock: float
    building: float | None
    """Processor seconds after the imports."""
    megabytes: float
    """At most resident."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    name: str
    plugins: int
    cpu: float
    ratio: float
    building: float | None
    clock: float
    megabytes: float


def _cases() -> tuple[Case, ...]:
    python = "an empty program, 0"
    surface = "import ticketgen, 0"
    alone = (
        Case(name="an empty program", command=("-c", "pass"), compared_with=python),
        Case(name="import ticketgen", command=("-c", "import ticketgen"), compared_with=surface),
        Case(
            name="ticketgen --help",
            command=("-m", "ticketgen", "--help"),
            plugins=4,
            compared_with=surface,
        ),
        Case(
            name="ticketgen --help",
            command=("-m", "ticketgen", "--help"),
            plugins=4 + STRANGERS,
            compared_with=surface,
        ),
    )
    built = tuple(
        Case(
            name=name,
            command=("-c", code),
            plugins=plugins,
            building=True,
            compared_with=f"{name}, 0",
        )
        for name, code in (("registry", _REGISTRY), ("API", _API), ("worker", _WORKER))
        for plugins in (0, 4, 4 + STRANGERS)
    )
    return alone + built


def measure_building(rounds: int) -> tuple[Row, ...]:
    """The table, from so many processes for every figure."""
    with installed_strangers() as folder:
        return tuple(_rows(_measured(_cases(), folder, rounds=rounds)))


def _measured(
    cases: Sequence[Case], folder: Path, *, rounds: int
) -> Mapping[Case, Sequence[Figure]]:
    """Figures of every case; a first round only leaves the compiled modules behind."""
    figures: dict[Case, list[Figure]] = {case: [] for case in cases}
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
        for case in cases:
            figure = _started(case, folder)
            figures[case] += [figure] if number else []
    return figures


def _started(case: Case, folder: Path) -> Figure:
    """Run one process to its end.

    Raises:
        RuntimeError: it failed; what it said has been shown.
    """
    began = perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *case.command],
            cwd=folder.parent,  # which Python searches too
            env=_environment(case.plugins, folder),
            stdout=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        clock = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{case.key} ended with {process.returncode}")
        said.seek(0)
        building = float(said.read()) if case.building else None
    # Linux counts in kilobytes, macOS in bytes.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return Figure(
        cpu=usage.ru_utime + usage.ru_stime,
        clock=clock,
        building=building,
        megabytes=usage.ru_maxrss / unit,
    )


def _environment(plugins: int, folder: Path) -> dict[str, str]:
    """An address where nothing is: nothing connects at a start."""
    kept = environment_in(folder.parent)
    told = [kept["PYTHONPATH"]] if kept.get("PYTHONPATH") else []
    return {
        **kept,
        "TICKETGEN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing",
        "TICKETGEN_REDIS_URL": "redis://127.0.0.1:9",
        **({} if plugins else {"TICKETGEN_ALLOWED_PLUGINS": "none"}),
        **({"PYTHONPATH": os.pathsep.join([str(folder), *told])} if plugins > 4 else {}),
    }


def _rows(figures: Mapping[Case, Sequence[Figure]]) -> list[Row]:
    middle = {
        case: statistics.median(figure.cpu for figure in found) for case, found in figures.items()
    }
    by_key = {case.key: cpu for case, cpu in middle.items()}
    return [
        Row(
            name=case.name,
            plugins=case.plugins,
            cpu=round(middle[case], 3),
            ratio=round(middle[case] / by_key[case.compared_with], 2),
            building=_middle_of_building(found),
            clock=round(statistics.median(figure.clock for figure in found), 3),
            megabytes=round(statistics.median(figure.megabytes for figure in found), 1),
        )
        for case, found in figures.items()
    ]


def _middle_of_building(figures: Sequence[Figure]) -> float | None:
    given = [figure.building for figure in figures if figure.building is not None]
    return round(statistics.median(given), 3) if given else None


def building_lines(rows: Sequence[Row]) -> Iterator[str]:
    """The table for people."""
    yield (
        f"{'start of':<20}{'plugins':>8}{'cpu s':>8}{'ratio':>7}"
        f"{'after imports':>15}{'clock s':>9}{'MB':>7}"
    )
    for row in rows:
        building = "–" if row.building is None else f"{row.building:.3f}"
        yield (
            f"{row.name:<20}{row.plugins:>8}{row.cpu:>8.2f}{row.ratio:>7.2f}"
            f"{building:>15}{row.clock:>9.2f}{row.megabytes:>7.0f}"
        )
