"""What is read off a process and off a list of times."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Reading", "machine_busy", "read", "spread"]

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A process at one moment."""

    at: float
    cpu_seconds: float
    rss_kb: int
    peak_rss_kb: int

    def cpu_since(self, before: Reading) -> float:
        """Processors it has used on average: 1 is one, wholly."""
        return (self.cpu_seconds - before.cpu_seconds) / (self.at - before.at)


def read(pid: int) -> Reading:
    """How much a process has and has used, its threads included, its children not (Linux)."""
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    lines = (process / "status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return Reading(
        at=time.monotonic(),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS,
        rss_kb=int(status["VmRSS"].split()[0]),
        peak_rss_kb=int(status["VmHWM"].split()[0]),
    )


def machine_busy() -> float:
    """Processor seconds this machine has spent on anything at all, since it began (Linux)."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    idle, waiting = int(fields[3]), int(fields[4])
    return (sum(map(int, fields)) - idle - waiting) / _TICKS


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many there are, and where the middle and the end of them lie."""
    if not values:
        return {"count": 0}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {
        "count": len(ordered),
        "p50": at(0.5),
        "p90": at(0.9),
        "p99": at(0.99),
        "p999": at(0.999),
        "max": round(ordered[-1], 3),
    }
