"""How large a campaign is: how many runs, how long, how rough."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Shape", "Span", "long_shape", "short_shape"]

_RETRIES = {"TICKETGEN_RETRY_DELAY": "0.5", "TICKETGEN_RETRY_DELAY_LIMIT": "3"}
"""In both forms: a campaign does not wait half a minute for a second try."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """From so many seconds to so many."""

    least: float
    most: float

    def drawn(self, randomness: random.Random) -> float:
        """A duration in between."""
        return randomness.uniform(self.least, self.most)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Everything about a campaign but its seed. Durations are seconds."""

    runs: int
    """Runs of the chaos plugin; those of the sessions come on top."""
    sessions: int
    """Sessions that are taken from their files to a counted export."""
    sheets: int
    """Files of the sample that a session gets, the smallest first."""
    seconds: float
    """How long runs are started and trouble is made."""
    workers: int
    max_jobs: int
    pause: Span
    """Between the beginnings of two troubles; they may overlap."""
    freeze: Span
    """How long a worker is stopped in its tracks (SIGSTOP)."""
    outage: Span
    """How long Redis or Postgres stays away."""
    restart: Span
    """Until a worker that ended is started again."""
    settle_within: float
    """After the troubles, until every run must have ended."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the host, for workers and API alike."""


def long_shape(*, runs: int = 300, seconds: float = 180, workers: int = 4) -> Shape:
    """Minutes long, with the leases that every installation has unless it says otherwise."""
    return Shape(
        runs=runs,
        sessions=max(1, runs // 50),
        sheets=11,
        seconds=seconds,
        workers=workers,
        max_jobs=3,
        pause=Span(least=2, most=6),
        freeze=Span(least=2, most=35),
        outage=Span(least=1, most=6),
        restart=Span(least=0.2, most=3),
        settle_within=240,
        environment=_RETRIES,
    )


def short_shape(*, runs: int = 40, seconds: float = 10, workers: int = 3) -> Shape:
    """Less than a minute, with leases as short as the slowest machine for tests bears."""
    return Shape(
        runs=runs,
        sessions=1,
        sheets=4,
        seconds=seconds,
        workers=workers,
        max_jobs=3,
        pause=Span(least=0.5, most=1.5),
        freeze=Span(least=0.5, most=5),
        outage=Span(least=0.3, most=1.5),
        restart=Span(least=0.1, most=0.5),
        settle_within=60,
        environment=_RETRIES
        | {
            "TICKETGEN_LEASE": "4",
            "TICKETGEN_LEASE_RENEWAL": "1",
            "TICKETGEN_LEASE_PATIENCE": "2.5",
            "TICKETGEN_HEARTBEAT_INTERVAL": "1",
            "TICKETGEN_HEARTBEAT_EXPIRY": "4",
            "TICKETGEN_RECONCILE_INTERVAL": "0.3",
            "TICKETGEN_SHUTDOWN_GRACE": "1",
        },
    )
