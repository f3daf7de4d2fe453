"""Findings as they are gathered: of every kind as many as a person reads, and the rest counted.

A kind is one rule in one column of one file. A sheet of two megabytes can have a million findings;
no more than some thousand are ever held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ticketgen import Finding, Severity

__all__ = ["Collected"]

_MOST_OF_A_KIND = 500


@dataclass
class _Rest:
    """What is not held of one kind."""

    first: Finding
    count: int
    severity: Severity


class Collected:
    """Findings in the order they were added; one stands for all of its kind that are not held.

    It names no row, so that it concerns the whole file: if it is accepted as an error, every
    ticket of the file carries the note.
    """

    def __init__(self, *, most: int = 20_000) -> None:
        """Hold at most so many, and one more of each kind."""
        self._most = most
        self._held: list[Finding] = []
        self._counts: dict[tuple[str, str | None, str | None], int] = {}
        self._rest: dict[tuple[str, str | None, str | None], _Rest] = {}

    def add(self, findings: Iterable[Finding]) -> None:
        """Hold them, or count them, one by one."""
        for finding in findings:
            kind = (finding.rule, finding.file, finding.column)
            count = self._counts.get(kind, 0)
            if count < _MOST_OF_A_KIND and len(self._held) < self._most:
                self._counts[kind] = count + 1
                self._held.append(finding)
            elif kind in self._rest:
                rest = self._rest[kind]
                rest.count += finding.stands_for
                if finding.severity is Severity.ERROR:
                    rest.severity = Severity.ERROR
            else:
                self._rest[kind] = _Rest(finding, finding.stands_for, finding.severity)

    @property
    def findings(self) -> list[Finding]:
        """Those that are held, then one for each kind that has more."""
        return [*self._held, *map(_standing_for, self._rest.values())]


def _standing_for(rest: _Rest) -> Finding:
    if rest.count == 1:
        return rest.first
    return rest.first.model_copy(
        update={
            "severity": rest.severity,
            "message": f"{rest.count:,} more like this: {rest.first.message}",
            "row": None,
            "value": None,
            "suggestions": (),
            "stands_for": rest.count,
        }
    )
