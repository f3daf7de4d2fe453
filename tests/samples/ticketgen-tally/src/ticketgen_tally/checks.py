"""What the plugin says of a ticket: that it is too long, or that its estimate is old."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ticketgen import Finding, Severity
from ticketgen.domain.tickets import Ticket
from ticketgen.provides import AdfCheck
from ticketgen_tally.counts import TicketCount
from ticketgen_tally.estimating import Scale, texts_of

__all__ = ["LENGTH", "LONGEST", "stale_estimate"]

LONGEST = 1_500
"""Words in a ticket that somebody still reads to its end."""

_EVERY_WORD = Scale(words_per_point=1)


def _check_length(document: Mapping[str, Any]) -> Sequence[Finding]:
    words = sum(_EVERY_WORD.words(text) for text in texts_of(document))
    if words <= LONGEST:
        return ()
    return (
        Finding(
            severity=Severity.WARNING,
            rule="tally.length",
            message=f"The ticket has {words} words; nobody reads more than {LONGEST}.",
            remedy="Split it, or move what is only for reference into an attachment.",
            path="",
        ),
    )


LENGTH = AdfCheck(
    name="tally_length", summary="Tickets that are too long to be read.", check=_check_length
)


def stale_estimate(ticket: Ticket, count: TicketCount | None) -> list[Finding]:
    """Warn of a ticket that was edited after it was counted."""
    if count is None or ticket.edited_at is None or ticket.edited_at <= count.counted_at:
        return []
    return [
        Finding(
            severity=Severity.WARNING,
            rule="tally.stale",
            message="The ticket was edited after its words were counted.",
            remedy="Count again with POST /api/tally/count/{session_id}.",
            path="/description",
        )
    ]
