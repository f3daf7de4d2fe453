"""Sets what was measured beside what it should be."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Line", "as_text", "median", "nothing_lost"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One figure."""

    what: str
    measured: float
    most: float | None = None
    """It should not be more than that."""
    unit: str = ""
    is_truth: bool = False
    """Whether more than that is a fault on any machine; of others a slow machine is to blame."""

    @property
    def is_met(self) -> bool:
        """Whether it is what it should be; what has no bar always is."""
        return self.most is None or self.measured <= self.most


def nothing_lost(report: Mapping[str, Any], counted: Mapping[str, int]) -> list[Line]:
    """What holds for every client in every measurement.

    Numbers passed over are explained as far as the process says that it has coalesced progress.
    """
    coalesced = counted.get("messages_coalesced", 0)
    truths = (
        ("numbers passed over on the way", report["missing"], coalesced),
        ("numbers passed over between snapshot and stream", report["missing_at_attach"], 0),
        ("messages that came twice", report["duplicates"], 0),
        ("clients without the terminal message", report["without_ending"], 0),
    )
    return [
        Line(what="progress that the API has coalesced", measured=coalesced),
        *(
            Line(what=what, measured=measured, most=most, is_truth=True)
            for what, measured, most in truths
        ),
    ]


def as_text(lines: Sequence[Line]) -> str:
    """A table of three columns, and a mark at what is not as it should be."""
    rows = [("", "measured", "at most")]
    for line in lines:
        most = "" if line.most is None else f"{line.most:g} {line.unit}"
        mark = "" if line.is_met else "  <-- missed"
        rows.append((line.what, f"{round(line.measured, 3):g} {line.unit}", most + mark))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(
        f"{what:<{widths[0]}}  {measured:>{widths[1]}}  {most}".rstrip()
        for what, measured, most in rows
    )


def median(results: Sequence[Any]) -> Any:
    """The middle of every number in values of the same form; of what is none, the first."""
    first = results[0]
    if isinstance(first, Mapping):
        return {name: median([it[name] for it in results if name in it]) for name in first}
    if isinstance(first, int | float) and not isinstance(first, bool):
        return statistics.median(results)
    return first
