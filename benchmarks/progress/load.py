"""How much goes on in a measurement: so many sockets on so many runs that publish so often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.progress.scene import ApiProcess, Scene

__all__ = ["Load", "path_of"]


def path_of(run_id: str, *, events: bool = False) -> str:
    """Where the progress of a run is streamed."""
    return f"/api/runs/{run_id}/{'events' if events else 'progress'}"


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
    events: bool = False
    """Server-sent events in place of WebSockets."""

    def opening(self, run_ids: Sequence[str], scene: Scene, *apis: ApiProcess) -> dict[str, Any]:
        """What the watchers are told: the runs in turn, and whom they may ask."""
        runs = [run_ids[number % len(run_ids)] for number in range(self.sockets)]
        return {
            "paths": [path_of(run_id, events=self.events) for run_id in runs],
            "ports": [api.port for api in apis],
            "token": scene.token,
            "events": self.events,
        }

    def group(self, run_ids: Sequence[str]) -> dict[str, Any]:
        """What is published of the runs."""
        return {"runs": list(run_ids), "rate": self.rate}
