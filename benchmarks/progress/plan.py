"""Draws from a seed how each run lives and ends, and how its client comes, leaves and returns."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["MADE_UP", "Life", "Visit", "drawn"]

MADE_UP = "00000000-7"
"""A position of no stream: what a client brings whose stream was lost meanwhile."""

_BURST = 1_300
"""More messages than a stream keeps."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """What a run does; seconds count from the start of its batch."""

    begins: float
    lasts: float
    messages: int
    burst: int
    """Messages at once, in the middle."""
    outcome: str
    """completed, failed or cancelled."""

    @property
    def ends(self) -> float:
        """When it is settled."""
        return self.begins + self.lasts


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What a client does; seconds count from the start of its batch."""

    events: bool
    """By server-sent events; else by WebSocket."""
    arrives: float
    leaves: tuple[float, ...]
    """When it drops its connection without a word."""
    away: tuple[float, ...]
    """Seconds until it comes back, each time."""
    after: str | None
    """The position it brings when it first comes."""
    comes_again: bool
    """Once more, after it has got its ending."""
    left_behind: bool
    """Its position is kept no more when it comes back."""


def drawn(randomness: random.Random, *, pace: float = 1.0) -> tuple[Life, Visit]:
    """One run and its client; on a slow machine everything may take `pace` times as long."""
    burst = _BURST if randomness.random() < 0.01 else 0
    life = Life(
        begins=pace * randomness.uniform(0, 2),
        lasts=pace * (randomness.uniform(0.1, 2.5) + (2.0 if burst else 0)),
        messages=randomness.randrange(25),
        burst=burst,
        outcome=randomness.choices(["completed", "failed", "cancelled"], [7, 2, 1])[0],
    )
    draw = _left_behind if burst else _visit
    return life, draw(randomness, life, pace)


def _visit(randomness: random.Random, life: Life, pace: float) -> Visit:
    arrives = randomness.choice(
        [
            randomness.uniform(0, life.begins),
            life.begins + randomness.uniform(0, life.lasts),
            life.ends + pace * randomness.gauss(0, 0.03),
            life.ends + pace * randomness.uniform(0.1, 1),
        ]
    )
    leaves = [
        randomness.choice(
            [
                randomness.uniform(arrives, max(arrives, life.ends)),
                life.ends + pace * randomness.gauss(0, 0.03),
            ]
        )
        for _ in range(randomness.choice([0, 0, 1, 1, 2, 3]))
    ]
    return Visit(
        events=randomness.random() < 0.25,
        arrives=max(0, arrives),
        leaves=tuple(sorted(leaves)),
        away=tuple(pace * randomness.choice([0, randomness.uniform(0, 0.5)]) for _ in leaves),
        after=MADE_UP if randomness.random() < 0.02 else None,
        comes_again=randomness.random() < 0.05,
        left_behind=False,
    )


def _left_behind(randomness: random.Random, life: Life, pace: float) -> Visit:
    """Comes before the burst, which is in the middle of the run's life, and back near its end."""
    leaves = life.begins + life.lasts * 0.4
    return Visit(
        events=randomness.random() < 0.25,
        arrives=life.begins,
        leaves=(leaves,),
        away=(life.ends - leaves + pace * randomness.gauss(0, 0.2),),
        after=None,
        comes_again=False,
        left_behind=True,
    )
