"""What was done to the system, with times: half of the evidence, the database holds the other."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["Journal", "Outage", "Silence", "now"]


def now() -> datetime:
    """The time; everything runs on one machine, so it is the database's too."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """From a moment on a worker process did nothing more, or nothing for a while."""

    pid: int
    at: datetime
    until: datetime | None
    """None: it was killed."""


@dataclass(frozen=True, kw_only=True)
class Outage:
    """For some time a server was away."""

    server: str
    at: datetime
    until: datetime


@dataclass(kw_only=True)
class Journal:
    """Filled while a campaign runs."""

    troubles: Counter[str] = field(default_factory=Counter)
    silences: list[Silence] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What nobody did on purpose, and how often it happened."""
