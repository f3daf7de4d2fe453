"""What was done in a session and to a ticket, when, and by whom."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import (
    Limit,
    Offset,
    OwnedSession,
    Work,
    problem_responses,
    tell_total,
    told_total,
)
from ticketgen.api.routes import ticket_examples
from ticketgen.api.routes.ticket_changes import TicketId
from ticketgen.domain import audit, tickets

__all__ = ["HistoryEntry", "router"]

router = APIRouter(prefix="/api/sessions/{session_id}")


class HistoryEntry(BaseModel):
    """One change."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [ticket_examples.HISTORY_ENTRY]}
    )

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor: str | None = Field(description="Null: the system, or somebody who is gone.")
    action: str = Field(description="Noun and verb, such as `ticket.edited`.")
    subject: str | None = Field(description="What was changed; of a ticket, its key.")
    details: dict[str, Any] = Field(
        description="What was there `before` and `after`; of a description its size and digest."
    )


@router.get(
    "/history", tags=["sessions"], responses={**problem_responses(403, 404), **told_total()}
)
async def list_session_history(
    session: OwnedSession, work: Work, response: Response, limit: Limit = 100, offset: Offset = 0
) -> list[HistoryEntry]:
    """List what was done in the session, newest first; `X-Total-Count` says how much there is.

    Entries are kept for as long as the host keeps its audit log.
    """
    lines = await audit.list_entries(work.db, session.id, limit=limit, offset=offset)
    tell_total(response, await audit.count_entries(work.db, session.id))
    return [HistoryEntry.model_validate(line) for line in lines]


@router.get(
    "/tickets/{ticket_id}/history",
    tags=["tickets"],
    responses={**problem_responses(403, 404), **told_total()},
)
async def list_ticket_history(
    ticket_id: TicketId,
    session: OwnedSession,
    work: Work,
    response: Response,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[HistoryEntry]:
    """List what was done to a ticket, newest first; changes of many tickets at once are among it.

    A ticket is its key: what was done before it was generated anew, or removed and made again,
    belongs to it.
    """
    ticket = await tickets.get_ticket(work.db, session_id=session.id, ticket_id=ticket_id)
    lines = await audit.list_entries(
        work.db, session.id, subject=ticket.key, limit=limit, offset=offset
    )
    tell_total(response, await audit.count_entries(work.db, session.id, subject=ticket.key))
    return [HistoryEntry.model_validate(line) for line in lines]
