"""What a campaign found, as a table for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.chaos.counting import CountingServer
from benchmarks.chaos.figures import Figures, Worst
from benchmarks.chaos.journal import Journal
from benchmarks.chaos.verdict import Verdict

__all__ = ["Report"]

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything there is to say at the end."""

    seed: int
    seconds: float
    """How long it all took."""
    verdict: Verdict
    figures: Figures
    journal: Journal
    counting: CountingServer

    def as_json(self) -> dict[str, Any]:
        """The same as the table, by name."""
        verdict = self.verdict
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "good": verdict.is_good,
            "started": sum(count.started for count in verdict.kinds.values()),
            "lost": len(verdict.lost),
            "doubled": len(verdict.doubled),
            "stuck": len(verdict.stuck),
            "findings": self._findings(),
            "kinds": {kind: asdict(count) for kind, count in verdict.kinds.items()},
            "figures": asdict(self.figures),
            "troubles": dict(self.journal.troubles),
            "silences": [
                f"pid {silence.pid} from {silence.at} to {silence.until or 'its end'}"
                for silence in self.journal.silences
            ],
            "outages": [
                f"{outage.server} from {outage.at} to {outage.until}"
                for outage in self.journal.outages
            ],
            "notes": dict(self.journal.notes),
            "created": len(self.counting.creations),
            "outside": self.counting.manners,
        }

    def as_text(self) -> str:
        """The table."""
        return "\n".join(self._lines())

    def _findings(self) -> dict[str, list[str]]:
        verdict = self.verdict
        return {
            "lost": verdict.lost,
            "doubled": verdict.doubled,
            "stuck": verdict.stuck,
            "missing effects": verdict.missing,
            "ended otherwise than they should": verdict.wrong,
            "broken invariants": verdict.broken,
            "leaked": verdict.leaked,
        }

    def _lines(self) -> Iterator[str]:
        yield f"chaos, seed {self.seed}: {self.seconds:.0f} s"
        yield ""
        yield from self._kinds()
        yield ""
        for name, found in self._findings().items():
            yield f"{name:<36}{len(found):>6}"
        yield f"{'outside effects, all counted':<36}{len(self.counting.creations):>6}"
        yield ""
        yield from self._measured()
        for title, counts in (
            ("troubles", self.journal.troubles),
            ("the outside system created", self.counting.manners),
            ("also seen", self.journal.notes),
        ):
            yield ""
            yield f"{title}:"
            yield from (f"  {number:>5}  {name}" for name, number in sorted(counts.items()))
        for name, found in self._findings().items():
            yield from (f"{name.upper()}: {line}" for line in found[:_SHOWN])
        yield ""
        yield "GOOD" if self.verdict.is_good else "NOT GOOD"

    def _kinds(self) -> Iterator[str]:
        yield (
            f"{'kind':<18}{'should be':<22}{'started':>8}{'was':>6}"
            f"{'repeated':>10}{'condemned':>11}"
        )
        for kind, count in sorted(self.verdict.kinds.items()):
            yield (
                f"{kind:<18}{count.expected:<22}{count.started:>8}{count.as_expected:>6}"
                f"{count.repeated:>10}{count.condemned:>11}"
            )

    def _measured(self) -> Iterator[str]:
        figures = self.figures
        yield f"{'attempts':<44}{figures.attempts:>6}"
        yield f"{'attempts lost':<44}{figures.attempts_lost:>6}"
        yield f"{'leases lost by workers left in peace':<44}{figures.lost_by_the_living:>6}"
        yield f"{'seconds':<44}{'number':>6}{'middle':>9}{'worst':>9}"
        for name, value in (
            ("worker dead → noticed", figures.noticed),
            ("the same, Postgres there all that time", figures.noticed_undisturbed),
            ("worker dead → run claimed again", figures.running_again),
            ("the same, no outage, no need to be alone", figures.running_again_undisturbed),
            ("Postgres back → next claim", figures.after_postgres),
            ("Redis back → next claim", figures.after_redis),
            ("cancel asked → stopped", figures.cancelled),
        ):
            yield f"  {name:<42}{_columns(value)}"


def _columns(value: Worst) -> str:
    if value.worst is None or value.middle is None:
        return f"{0:>6}{'–':>9}{'–':>9}"
    return f"{value.number:>6}{value.middle:>9.2f}{value.worst:>9.2f}  {value.which}"
