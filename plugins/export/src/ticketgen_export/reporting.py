"""What became of every ticket of an export: sent, under way, unknown, or not yet sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain import effects, tickets
from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.tickets import Ticket
from ticketgen_export.results import Destination, latest_destination, list_results
from ticketgen_export.stored import ExportResult

__all__ = ["ExportReport", "Sent", "TicketOutcome", "export_report", "report_on"]

_MOST_EFFECTS = 10_000


class Sent(StrEnum):
    """How far a ticket is."""

    DONE = "done"
    """It is there, with all that belongs to it."""
    INCOMPLETE = "incomplete"
    """It is there; an attachment of it may not be."""
    UNDER_WAY = "under_way"
    """A call is at work."""
    UNKNOWN = "unknown"
    """A call was made, and nobody knows what became of it yet; the next export finds out."""
    NOT_SENT = "not_sent"


@dataclass(frozen=True, kw_only=True)
class TicketOutcome:
    """One ticket in one place."""

    ticket_id: UUID
    position: int
    title: str
    state: Sent
    reference: str | None = None
    url: str | None = None
    sent_at: datetime | None = None
    completed_at: datetime | None = None
    manual_fixes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """Every ticket of a session in the place it was sent to last."""

    target: str
    place: str
    tickets: tuple[TicketOutcome, ...]

    def count(self, state: Sent) -> int:
        """How many tickets are so far."""
        return sum(ticket.state is state for ticket in self.tickets)


async def export_report(db: AsyncSession, session_id: UUID) -> ExportReport | None:
    """What became of the session's tickets; None before anything was sent."""
    destination = await latest_destination(db, session_id)
    return None if destination is None else await report_on(db, destination)


async def report_on(db: AsyncSession, destination: Destination) -> ExportReport:
    """The same of one place."""
    results = await list_results(db, destination)
    sent = {result.ticket_id for result in results}
    begun = await _begun(db, destination)
    now = (await db.execute(select(func.clock_timestamp()))).scalar_one()
    outcomes = [_of_result(result) for result in results]
    outcomes += [
        _of_ledger(ticket, begun.get(str(ticket.id)), now)
        for ticket in await tickets.list_tickets(db, destination.session_id)
        if ticket.id not in sent
    ]
    return ExportReport(
        target=destination.target,
        place=destination.place,
        tickets=tuple(sorted(outcomes, key=lambda one: one.position)),
    )


def _of_result(result: ExportResult) -> TicketOutcome:
    return TicketOutcome(
        ticket_id=result.ticket_id,
        position=result.position,
        title=result.title,
        state=Sent.INCOMPLETE if result.completed_at is None else Sent.DONE,
        reference=result.reference,
        url=result.url,
        sent_at=result.sent_at,
        completed_at=result.completed_at,
        manual_fixes=(*result.manual_fixes, *result.closing_fixes),
    )


async def _begun(db: AsyncSession, destination: Destination) -> dict[str, Effect]:
    """Creations in the ledger, by the ticket's id."""
    found = await effects.list_effects(
        db,
        session_id=destination.session_id,
        operation=destination.operation("send"),
        limit=_MOST_EFFECTS,
    )
    return {effect.key: effect for effect in found}


def _of_ledger(ticket: Ticket, effect: Effect | None, now: datetime) -> TicketOutcome:
    """What the ledger alone knows: a creation whose result is not stored yet, or none."""
    is_done = effect is not None and effect.state is EffectState.DONE
    recorded = effect.value if effect is not None and is_done else None
    known = recorded if isinstance(recorded, dict) else {}
    return TicketOutcome(
        ticket_id=ticket.id,
        position=ticket.position,
        title=ticket.title,
        state=_state(effect, now),
        reference=known.get("reference"),
        url=known.get("url"),
        sent_at=effect.settled_at if effect is not None else None,
    )


def _state(effect: Effect | None, now: datetime) -> Sent:
    if effect is None:
        return Sent.NOT_SENT
    if effect.state is EffectState.DONE:
        return Sent.INCOMPLETE
    return Sent.UNDER_WAY if effect.over_at > now else Sent.UNKNOWN
