"""What is the middle of every figure of everybody, in one table?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.queues.contenders import CONTENDERS

__all__ = ["summary"]


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One number of a cell: the table of a figure it stands in, and its name."""

    figure: str
    table: int
    name: str
    digits: int = 0


_THROUGHPUTS = ("throughput", "durable")

_COLUMNS: Mapping[str, tuple[tuple[_Part, ...], ...]] = {
    "no-op jobs/s at 10 / 100 concurrent": tuple(
        tuple(_Part(figure=figure, table=table, name="jobs_per_second") for figure in _THROUGHPUTS)
        for table in (0, 1)
    ),
    "CPU s per 1,000 jobs, at 10": (
        tuple(
            _Part(figure=figure, table=0, name="cpu_per_1000", digits=2) for figure in _THROUGHPUTS
        ),
    ),
    "Redis commands a job: to enqueue / to work": tuple(
        tuple(_Part(figure=figure, table=0, name=name, digits=1) for figure in _THROUGHPUTS)
        for name in ("enqueue_commands", "worker_commands")
    ),
    "pick-up p50 / p99, ms": tuple(
        (_Part(figure="pickup", table=0, name=name, digits=1),) for name in ("p50", "p99")
    ),
    "idle commands/s": ((_Part(figure="pickup", table=0, name="idle_commands", digits=1),),),
    "20 ms jobs/s at 10": ((_Part(figure="twenty", table=0, name="jobs_per_second"),),),
    "enqueued/s: one by one / 10,000 by one call": tuple(
        (_Part(figure="start-many", table=0, name=name),) for name in ("one_by_one", "ten_thousand")
    ),
    "killed worker: runs again after, s": (
        (_Part(figure="killed", table=0, name="at_usual_timeout"),),
    ),
}
"""A heading, and the numbers of its cells; each is looked for in one figure, then in the next."""


def summary(folder: Path) -> str:
    """Markdown, of the JSON that was written into a folder; what was not measured is a dash."""
    found = {file.stem: json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")}
    lines = [f"| queue | {' | '.join(_COLUMNS)} |", "|---" * (len(_COLUMNS) + 1) + "|"]
    for key, contender in CONTENDERS.items():
        cells = [" / ".join(_shown(found, key, parts)) for parts in _COLUMNS.values()]
        if any(character.isdigit() for cell in cells for character in cell):
            lines.append(f"| {contender.title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(
    found: Mapping[str, Any], key: str, numbers: tuple[tuple[_Part, ...], ...]
) -> Iterator[str]:
    for alternatives in numbers:
        values = ((part, _value(found, key, part)) for part in alternatives)
        yield next(
            (f"{value:,.{part.digits}f}" for part, value in values if value is not None), "–"
        )


def _value(found: Mapping[str, Any], key: str, part: _Part) -> float | None:
    tables = found.get(part.figure, {}).get("tables", [])
    if part.table >= len(tables):
        return None
    for row in tables[part.table]["rows"]:
        if row["contender"] == key:
            value: float | None = row["middle"].get(part.name)
            return value
    return None
