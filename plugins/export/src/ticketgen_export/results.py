"""Every query on what became of the tickets of an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.provides import ExportTicket, SentTicket
from ticketgen_export.stored import ExportResult

__all__ = [
    "Destination",
    "complete_results",
    "keep_result",
    "latest_destination",
    "list_results",
    "result_before",
]


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where tickets of a session are sent to."""

    session_id: UUID
    target: str
    place: str

    @property
    def columns(self) -> dict[str, object]:
        """The same as the columns of a result."""
        return {"session_id": self.session_id, "target": self.target, "place": self.place}

    def operation(self, verb: str) -> str:
        """What the ledger calls what is done there: to `send` a ticket, to `link` two."""
        return ":".join(filter(None, (verb, self.target, self.place)))


async def keep_result(
    db: AsyncSession,
    destination: Destination,
    ticket: ExportTicket,
    sent: SentTicket,
    *,
    run_id: UUID,
    sent_at: datetime | None,
    completed: bool,
) -> None:
    """Store where the ticket is now; its first `sent_at` stays. None: now."""
    new = {
        "title": ticket.title,
        "position": ticket.position,
        "reference": sent.reference,
        "url": sent.url,
        "manual_fixes": list(sent.manual_fixes),
        "run_id": run_id,
        "completed_at": func.clock_timestamp() if completed else None,
    }
    await db.execute(
        insert(ExportResult)
        .values(
            **destination.columns,
            ticket_id=ticket.id,
            closing_fixes=[],
            sent_at=func.clock_timestamp() if sent_at is None else sent_at,
            **new,
        )
        .on_conflict_do_update(
            index_elements=["session_id", "target", "place", "ticket_id"], set_=new
        )
    )


async def result_before(
    db: AsyncSession, destination: Destination, moment: datetime
) -> ExportResult | None:
    """What was created last there before that moment, for any ticket of the session."""
    mine = [getattr(ExportResult, name) == value for name, value in destination.columns.items()]
    return await db.scalar(
        select(ExportResult)
        .where(*mine, ExportResult.sent_at < moment)
        .order_by(ExportResult.sent_at.desc())
        .limit(1)
    )


async def complete_results(
    db: AsyncSession, destination: Destination, fixes: Mapping[UUID, tuple[str, ...]]
) -> None:
    """Store what the end of the export could not add, over what an earlier end said."""
    mine = [getattr(ExportResult, name) == value for name, value in destination.columns.items()]
    await db.execute(update(ExportResult).where(*mine).values(closing_fixes=[]))
    for ticket_id, sentences in fixes.items():
        await db.execute(
            update(ExportResult)
            .where(*mine, ExportResult.ticket_id == ticket_id)
            .values(closing_fixes=list(sentences))
        )


async def latest_destination(db: AsyncSession, session_id: UUID) -> Destination | None:
    """Where the last run of the session sent to; None before the first."""
    newest = await db.scalar(
        select(ExportResult)
        .where(ExportResult.session_id == session_id)
        # The ids of runs grow with time, and a ticket that is there already gets the later one too.
        .order_by(ExportResult.run_id.desc(), ExportResult.sent_at.desc())
        .limit(1)
    )
    if newest is None:
        return None
    return Destination(session_id=session_id, target=newest.target, place=newest.place)


async def list_results(db: AsyncSession, destination: Destination) -> list[ExportResult]:
    """What became of the tickets there, in order of work."""
    mine = [getattr(ExportResult, name) == value for name, value in destination.columns.items()]
    return list(
        await db.scalars(
            select(ExportResult).where(*mine).order_by(ExportResult.position, ExportResult.sent_at)
        )
    )
