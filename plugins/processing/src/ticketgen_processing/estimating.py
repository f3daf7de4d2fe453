"""What the writing of a session's tickets is going to take, for every writer that can tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ticketgen import Contributions
from ticketgen.provides import Brief, Writer, WritingEstimate
from ticketgen_processing.texts import digest_of_brief

__all__ = ["estimates"]


def estimates(
    contributions: Contributions,
    briefs: Sequence[Brief],
    *,
    writer: str,
    known: tuple[str, frozenset[str]],
) -> dict[str, dict[str, Any]]:
    """Name of a writer to what it would take, as JSON; writers that cannot tell are left out.

    Texts of the session's own writer that are `known` (its version, and the digests that are
    stored) are not written again; the others' are not known.
    """
    found: dict[str, dict[str, Any]] = {}
    for owner, candidate in contributions.owned(Writer):
        version, digests = known if candidate.name == writer else ("", frozenset[str]())
        waiting = [
            brief
            for brief in briefs
            if not digests or digest_of_brief(candidate.name, version, brief) not in digests
        ]
        estimate = _estimate(candidate, contributions.settings_of(owner), waiting)
        if estimate is not None:
            found[candidate.name] = {
                "tickets": len(briefs),
                "texts_known": len(briefs) - len(waiting),
                "texts_to_write": len(waiting),
                "input_tokens": estimate.input_tokens,
                "output_tokens": estimate.output_tokens,
                "cost": None if estimate.cost is None else f"{estimate.cost:.6f}",
                "duration_seconds": round(estimate.duration.total_seconds(), 1),
            }
    return found


def _estimate(writer: Writer, settings: Any, briefs: Sequence[Brief]) -> WritingEstimate | None:
    if writer.estimate is not None:
        return writer.estimate(settings, briefs)
    return None if writer.paid else WritingEstimate()
