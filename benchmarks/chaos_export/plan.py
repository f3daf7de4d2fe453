"""Which sessions a campaign exports, and how, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos_export.shape import ExportShape
from benchmarks.chaos_export.sheets import make_sheets

__all__ = ["PEOPLE", "PlannedExport", "plan_exports"]

PEOPLE = ("Ada Lovelace", "Grace Hopper")
"""Accounts of the stand-in that issues can be assigned to."""

_ASSIGNEES = (*PEOPLE, "Nobody Known")
_SPRINTS = ("Sprint 1", "Sprint 2", "Sprint 404")
_STARTED_WITHIN = 0.8
"""Of the time of trouble: so that some exports are creating issues while others draw links."""
_BULK = (1, 50, 7)
"""Issues by one call, of one session after the other."""


@dataclass(frozen=True, kw_only=True)
class PlannedExport:
    """One session, from its sheets to its options."""

    name: str
    project: str
    at: float
    """Seconds after the troubles begin."""
    bulk: int
    sheets: Mapping[str, bytes]
    edits: int
    """So many of its tickets are edited before the export, some of them to be too long."""
    seed: str

    def edits_for(self, titles: list[str]) -> dict[int, dict[str, Any]]:
        """By position in the order of work: what is changed of the ticket."""
        randomness = random.Random(self.seed)
        chosen = randomness.sample(range(len(titles)), k=min(self.edits, len(titles)))
        return {
            position: _edit(number, titles[position], randomness)
            for number, position in enumerate(chosen)
        }


def plan_exports(shape: ExportShape, seed: int) -> list[PlannedExport]:
    """The sessions; the first ones share projects with the last ones."""
    randomness = random.Random(f"{seed}:exports")
    each = -(-shape.tickets // shape.sessions)
    planned = []
    for number in range(shape.sessions):
        name = f"S{number:02d}"
        planned.append(
            PlannedExport(
                name=name,
                project=f"P{chr(ord('A') + number % shape.projects)}",
                at=randomness.uniform(0, shape.host.seconds * _STARTED_WITHIN) if number else 0.0,
                bulk=_BULK[number % len(_BULK)],
                sheets=make_sheets(name, each, randomness),
                edits=max(3, each // 4),
                seed=f"{seed}:{name}",
            )
        )
    return planned


def _edit(number: int, title: str, randomness: random.Random) -> dict[str, Any]:
    """Every third edit is one that makes the description an attachment."""
    if number % 3 == 0:
        return {"description": _long_text(title, randomness)}
    return {"assignee": randomness.choice(_ASSIGNEES), "sprint": randomness.choice(_SPRINTS)}


def _long_text(title: str, randomness: random.Random) -> str:
    paragraphs = (
        f"{title}, paragraph {number}: {randomness.getrandbits(64):x} " + "word " * 50
        for number in range(120)
    )
    return "\n\n".join(paragraphs)
