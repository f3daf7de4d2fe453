"""What our database says of the exports when a campaign is over."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain import tickets, validations
from ticketgen.domain.descriptions import short_form_of
from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen_export.stored import ExportResult

__all__ = ["Result", "SessionRows", "TicketRow", "read_sessions", "unknown_effects"]


@dataclass(frozen=True, kw_only=True)
class TicketRow:
    """A ticket as it was validated: what its issue has to be like."""

    id: UUID
    key: str
    title: str
    document: Mapping[str, Any]
    needs: frozenset[UUID]
    assignee: str | None = None
    sprint: str | None = None
    file: tuple[str, str] | None = None
    """Name and hash of what is attached."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What is stored of an export's ticket."""

    ticket_id: UUID
    reference: str
    url: str | None
    is_completed: bool
    fixes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class SessionRows:
    """A session's tickets and results."""

    session_id: UUID
    tickets: Sequence[TicketRow]
    results: Sequence[Result] = field(default_factory=tuple)


async def read_sessions(db: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, SessionRows]:
    """Each session with what should have become of it, and what is said to have."""
    found = {}
    for session_id in ids:
        session = await db.get_one(WorkSession, session_id)
        listed = await tickets.list_tickets(db, session_id)
        needed = await tickets.dependencies_of(db, listed)
        verdict = await validations.valid_verdict(db, session)
        documents = await validations.read_documents(db, verdict.id) if verdict else {}
        results = await db.scalars(
            select(ExportResult).where(ExportResult.session_id == session_id)
        )
        found[session_id] = SessionRows(
            session_id=session_id,
            tickets=[
                _ticket(ticket, documents.get(ticket.id, {}), frozenset(needed[ticket.id]))
                for ticket in listed
            ],
            results=[_result(row) for row in results],
        )
    return found


async def unknown_effects(db: AsyncSession) -> list[str]:
    """What the ledger holds that is not done."""
    rows = await db.scalars(select(Effect).where(Effect.state != EffectState.DONE))
    return [f"{row.name}, begun at {row.began_at}" for row in rows]


def _ticket(ticket: Ticket, document: Mapping[str, Any], needs: frozenset[UUID]) -> TicketRow:
    short = short_form_of(ticket.description, key=ticket.key)
    return TicketRow(
        id=ticket.id,
        key=ticket.key,
        title=ticket.title,
        document=document,
        needs=needs,
        assignee=ticket.assignee,
        sprint=ticket.sprint,
        file=(short.file_name, hashlib.sha256(short.content).hexdigest()) if short else None,
    )


def _result(row: ExportResult) -> Result:
    return Result(
        ticket_id=row.ticket_id,
        reference=row.reference,
        url=row.url,
        is_completed=row.completed_at is not None,
        fixes=(*row.manual_fixes, *row.closing_fixes),
    )
