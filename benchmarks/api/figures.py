"""What was measured of a load, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Figures", "percentile"]


def percentile(taken: Sequence[float], share: float) -> float:
    """The time within which that share of the answers came."""
    ordered = sorted(taken)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One load on one API process."""

    taken: Mapping[str, Sequence[float]]
    """Endpoint → seconds that each answer took, as its client saw it."""
    errors: Mapping[str, int]
    seconds: float
    cpu_seconds: float
    """Of the API process."""
    memory: tuple[float, float]
    """Resident before and after, in MB."""

    @property
    def answers(self) -> int:
        """All that were counted."""
        return sum(len(times) for times in self.taken.values())

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def as_text(self, *, beside: Figures | None) -> str:
        """The table, with the middle times as a ratio to those of another load."""
        lines = [f"{'':16} {'answers':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'ratio':>6}"]
        every = [time for times in self.taken.values() for time in times]
        for name, times in (*sorted(self.taken.items()), ("all", every)):
            p50, p95, p99 = (percentile(times, share) * 1000 for share in (0.5, 0.95, 0.99))
            ratio = "" if beside is None else f"{p50 / (beside.middle(name) * 1000):6.2f}"
            lines.append(f"{name:16} {len(times):8} {p50:8.1f} {p95:8.1f} {p99:8.1f} {ratio:>6}")
        lines.append(
            f"{self.per_second:.0f} answers/s; {self.cpu_seconds / self.answers * 1000:.2f} ms of "
            f"CPU of the API an answer; {self.memory[0]:.0f} MB resident before, "
            f"{self.memory[1]:.0f} MB after; errors: {sum(self.errors.values())}"
        )
        lines += [f"  {count} × {error}" for error, count in list(self.errors.items())[:10]]
        return "\n".join(lines)

    def middle(self, name: str) -> float:
        """The middle time of one endpoint, or of all."""
        if name == "all":
            return percentile([time for times in self.taken.values() for time in times], 0.5)
        return percentile(self.taken[name], 0.5)
