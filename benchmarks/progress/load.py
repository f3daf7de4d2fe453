"""How much goes on in a measurement: so many sockets on so many runs that publish so often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Load", "path_of"]


def path_of(run_id: str) -> str:
    """Where the progress of a run is streamed."""
    return f"/api/runs/{run_id}/progress"


@dataclass(frozen=True, kw_only=True)
class Load:
    """The same for every measurement, unless told otherwise."""

    sockets: int = 1_000
    runs: int = 100
    rate: float = 10.0
    """Messages a second of each run."""
    seconds: float = 20.0
    """That are measured."""
    warm_up: float = 3.0
    """Seconds of the same load before that."""

    def paths(self, run_ids: Sequence[str]) -> list[str]:
        """What each socket asks for: the runs in turn."""
        return [path_of(run_ids[number % len(run_ids)]) for number in range(self.sockets)]

    def group(self, run_ids: Sequence[str]) -> dict[str, Any]:
        """What is published of the runs."""
        return {"runs": list(run_ids), "rate": self.rate}
