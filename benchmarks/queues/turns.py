"""How is one thing measured of everybody, in turns, and how is a middle taken of it?"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks.queues.contenders import Contender
from benchmarks.queues.programs import FailedError

__all__ = ["Series", "in_turns", "say"]

Measure = Callable[[Contender], Awaitable[Any]]
"""Measures once; gives a dataclass of numbers."""


@dataclass(kw_only=True)
class Series:
    """What was measured of one contender."""

    contender: Contender
    measured: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def middle(self, name: str) -> float | None:
        """The median of one figure; None if it was never measured."""
        values = [each[name] for each in self.measured if each[name] is not None]
        return statistics.median(values) if values else None

    def most(self, name: str) -> float | None:
        """The highest of one figure; None if it was never measured."""
        values: list[float] = [each[name] for each in self.measured if each[name] is not None]
        return max(values, default=None)

    def middles(self) -> Mapping[str, float | None]:
        """Of every figure."""
        names = self.measured[0] if self.measured else {}
        return {name: self.middle(name) for name in names if _is_number(self.measured[0][name])}


async def in_turns(
    contenders: Sequence[Contender], measure: Measure, *, times: int, doing: str
) -> list[Series]:
    """Measure each once, then each again; a failure of one is written down, and the rest goes on.

    Each round begins with another contender, so that nobody always comes after the same.
    """
    found = {contender.key: Series(contender=contender) for contender in contenders}
    for number in range(times):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            series = found[contender.key]
            say(f"{doing}, {number + 1} of {times}: {contender.title}")
            try:
                series.measured.append(asdict(await measure(contender)))
            except FailedError as error:
                series.failures.append(str(error))
                say(f"  failed: {error}")
    return list(found.values())


def say(text: str) -> None:
    """Tell whoever waits; the table has the other stream."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)
