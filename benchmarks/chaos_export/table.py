"""What a campaign on exports found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.chaos.journal import Journal
from benchmarks.chaos_export.verdict import ExportVerdict

__all__ = ["ExportReport"]

_SHOWN = 20
_KILLS = ("worker", "api", "redis", "postgres")


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """Everything there is to say at the end."""

    seed: int
    seconds: float
    storm: float
    """How long exports were under way."""
    verdict: ExportVerdict
    journal: Journal
    faults: Mapping[str, int]
    """What went wrong in the stand-in, and how often."""
    requests: Mapping[str, int]
    exports: int
    runs: int
    """Of all exports: what was started again counts again."""
    attempts: int
    attempts_lost: int
    looked_up: int
    """Effects whose outcome was unknown, and that were found or done again by the product."""
    settled_by_hand: int
    outages: Sequence[str]

    @property
    def kills(self) -> int:
        """Processes that were killed, told to stop or frozen, servers included."""
        return (
            len(self.journal.silences)
            + sum(
                number
                for name, number in self.journal.troubles.items()
                if name.startswith(("redis", "postgres"))
            )
            + self.journal.troubles["worker told to stop"]
        )

    def as_json(self) -> dict[str, Any]:
        """The same as the table, by name."""
        return {
            "seed": self.seed,
            "good": self.verdict.is_good,
            "seconds": round(self.seconds, 1),
            "storm": round(self.storm, 1),
            "projects": {name: asdict(count) for name, count in self.verdict.projects.items()},
            "findings": self.verdict.findings(),
            "kills": self.kills,
            "faults": sum(self.faults.values()),
            "faults by kind": dict(self.faults),
            "troubles": dict(self.journal.troubles),
            "requests": dict(self.requests),
            "exports": self.exports,
            "runs": self.runs,
            "attempts": self.attempts,
            "attempts lost": self.attempts_lost,
            "looked up": self.looked_up,
            "settled by hand": self.settled_by_hand,
            "outages": list(self.outages),
            "notes": dict(self.journal.notes),
        }

    def as_text(self) -> str:
        """The table."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        spans = f"{self.seconds:.0f} s, {self.storm:.0f} of them with exports"
        yield f"chaos on exports, seed {self.seed}: {spans}"
        yield ""
        yield from self._projects()
        yield ""
        for name, found in self.verdict.findings().items():
            yield f"{name:<36}{len(found):>6}"
        yield ""
        for name, number in (
            ("exports", self.exports),
            ("runs of them", self.runs),
            ("attempts", self.attempts),
            ("attempts lost", self.attempts_lost),
            ("kills", self.kills),
            ("faults of the stand-in", sum(self.faults.values())),
            ("effects of unknown outcome, found", self.looked_up),
            ("effects settled by hand", self.settled_by_hand),
        ):
            yield f"{name:<40}{number:>6}"
        for title, counts in (
            ("troubles", self.journal.troubles),
            ("faults of the stand-in", Counter(self.faults)),
            ("also seen", self.journal.notes),
        ):
            yield ""
            yield f"{title}:"
            yield from (f"  {number:>5}  {name}" for name, number in sorted(counts.items()))
        for name, lines in self.verdict.findings().items():
            yield from (f"{name.upper()}: {line}" for line in lines[:_SHOWN])
        yield ""
        yield "GOOD" if self.verdict.is_good else "NOT GOOD"

    def _projects(self) -> Iterator[str]:
        titles = ("sessions", "tickets", "issues", "needed", "links", "calls", "long", "files")
        yield f"{'project':<10}" + "".join(f"{title:>9}" for title in titles)
        total: Counter[str] = Counter()
        for name, count in sorted(self.verdict.projects.items()):
            row = asdict(count)
            total.update(row)
            yield f"{name:<10}" + "".join(f"{number:>9}" for number in row.values())
        yield f"{'all':<10}" + "".join(f"{number:>9}" for number in total.values())
