"""Which runs a campaign starts and when, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.chaos.shape import Shape

__all__ = ["Kind", "PlannedRun", "plan_runs"]


class Kind(StrEnum):
    """What a run is like; the values are task types of the chaos plugin."""

    FAST = "chaos.fast"
    SLOW = "chaos.slow"
    FAILING = "chaos.failing"
    FLAKY = "chaos.flaky"
    BLOCKING = "chaos.blocking"
    EFFECT = "chaos.effect"
    POISON = "chaos.poison"
    CANCELLED = "chaos.cancelled"


_SHARES = {
    Kind.FAST: 34,
    Kind.SLOW: 20,
    Kind.FAILING: 8,
    Kind.FLAKY: 10,
    Kind.BLOCKING: 5,
    Kind.EFFECT: 15,
    Kind.CANCELLED: 8,
}
"""Of a hundred; poison is counted apart, since each costs several workers."""

_RUNS_PER_POISON = 100


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run that the program is going to start."""

    number: int
    """In its payload too: how a start whose answer was lost is found again."""
    kind: Kind
    at: float
    """Seconds after the beginning."""
    parts: int
    """Steps to do, things to create, tries to fail: what the kind makes of it."""
    seconds: float
    """What one part takes, or a blocking handler in all."""
    cancel_after: float | None = None


def plan_runs(shape: Shape, randomness: random.Random) -> tuple[PlannedRun, ...]:
    """The runs in the order of their start; every kind occurs."""
    poisonous = max(1, shape.runs // _RUNS_PER_POISON)
    kinds = [Kind.POISON] * poisonous + list(_SHARES)
    rest = max(0, shape.runs - len(kinds))
    kinds += randomness.choices(list(_SHARES), weights=list(_SHARES.values()), k=rest)
    randomness.shuffle(kinds)
    times = sorted(randomness.uniform(0, shape.seconds) for _ in kinds)
    return tuple(
        _planned(number, kind, at, randomness)
        for number, (kind, at) in enumerate(zip(kinds, times, strict=True))
    )


def _planned(number: int, kind: Kind, at: float, randomness: random.Random) -> PlannedRun:
    parts = {
        Kind.SLOW: randomness.randint(3, 8),
        Kind.FLAKY: randomness.randint(1, 3),
        Kind.EFFECT: randomness.randint(2, 4),
        Kind.CANCELLED: 600,
    }
    seconds = {
        Kind.SLOW: randomness.uniform(0.2, 1.0),
        Kind.BLOCKING: randomness.uniform(1.0, 6.0),
        Kind.CANCELLED: 0.2,
    }
    return PlannedRun(
        number=number,
        kind=kind,
        at=at,
        parts=parts.get(kind, 1),
        seconds=seconds.get(kind, 0.0),
        cancel_after=randomness.uniform(0.0, 8.0) if kind is Kind.CANCELLED else None,
    )
