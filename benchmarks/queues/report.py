"""How are the figures shown: as tables to read, and as JSON to keep?"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.queues.turns import Series

__all__ = ["Column", "Report", "Table"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One figure."""

    name: str
    title: str
    digits: int = 0
    ratio: bool = False
    """Whether a column follows that says how many times more the first row has."""
    most: bool = False
    """Whether the highest is shown, and not the middle one."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """What was measured of everybody; ours is the first row, and ratios are ours to theirs."""

    title: str
    columns: tuple[Column, ...]
    rows: Sequence[Series]

    def as_text(self) -> str:
        """Markdown."""
        head = ["", *(title for column in self.columns for title in _titles(column))]
        lines = [f"**{self.title}**", "", _line(head), _line(["---"] * len(head))]
        lines += [_line([row.contender.title, *self._cells(row)]) for row in self.rows]
        failures = [failure for row in self.rows for failure in row.failures]
        if failures:
            lines += ["", *(f"- failed: {failure}" for failure in failures)]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Medians, and everything that was measured."""
        return {
            "title": self.title,
            "rows": [
                {
                    "contender": row.contender.key,
                    "title": row.contender.title,
                    "middle": row.middles(),
                    "ratio_of_ours": {
                        column.name: self._ratio(row, column)
                        for column in self.columns
                        if column.ratio
                    },
                    "measured": row.measured,
                    "failures": row.failures,
                }
                for row in self.rows
            ],
        }

    def _cells(self, row: Series) -> list[str]:
        cells = []
        for column in self.columns:
            shown = row.most(column.name) if column.most else row.middle(column.name)
            cells.append(_figure(shown, column.digits))
            if column.ratio:
                cells.append(_figure(self._ratio(row, column), 2))
        return cells

    def _ratio(self, row: Series, column: Column) -> float | None:
        ours, theirs = self.rows[0].middle(column.name), row.middle(column.name)
        return None if ours is None or not theirs else ours / theirs


@dataclass(frozen=True, kw_only=True)
class Report:
    """One run of the program."""

    figure: str
    tables: Sequence[Table]
    times: int
    fsync: bool
    versions: dict[str, dict[str, str]]
    load_before: float
    shared: bool

    def as_text(self) -> str:
        """The tables, and below them on what they were taken."""
        foot = (
            f"{_machine()}; medians of {self.times}; load before {self.load_before:.1f}, after "
            f"{os.getloadavg()[0]:.1f}{'; others used the machine' if self.shared else ''}; "
            f"servers {'with' if self.fsync else 'without'} fsync; "
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
        )
        listed = "; ".join(
            f"{name}: {', '.join(f'{d} {v}' for d, v in found.items())}"
            for name, found in self.versions.items()
        )
        return "\n\n".join([*(table.as_text() for table in self.tables), foot, listed])

    def write_json(self, file: Path) -> None:
        """Everything."""
        content = {
            "figure": self.figure,
            "machine": _machine(),
            "taken_at": datetime.now(UTC).isoformat(),
            "times": self.times,
            "fsync": self.fsync,
            "load_before": self.load_before,
            "load_after": os.getloadavg()[0],
            "others_used_the_machine": self.shared,
            "versions": self.versions,
            "tables": [table.as_json() for table in self.tables],
        }
        text = json.dumps(content, indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


def _titles(column: Column) -> list[str]:
    return [column.title, "ours / this"] if column.ratio else [column.title]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
