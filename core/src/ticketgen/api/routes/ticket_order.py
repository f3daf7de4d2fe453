"""Changing the order of work: a ticket goes before or after another one."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ticketgen.api.deps import problem_responses
from ticketgen.api.routes.ticket_changes import Reviewed, TicketId
from ticketgen.api.routes.ticket_views import TicketView, view_ticket
from ticketgen.domain import ticket_order
from ticketgen.domain.ticket_order import Side
from ticketgen.errors import InvalidInputError

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])


class Move(BaseModel):
    """Where the ticket is to stand: right before, or right after, another one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"after": "019ac0de-0000-7000-8000-000000000004"}]},
    )

    before: UUID | None = Field(default=None, description="The id of another ticket.")
    after: UUID | None = Field(default=None, description="The id of another ticket.")

    @model_validator(mode="after")
    def _one(self) -> Move:
        if (self.before is None) == (self.after is None):
            raise ValueError("name a ticket either in `before` or in `after`")
        return self


@router.post("/{ticket_id}/move", responses=problem_responses(403, 404, 409, 422))
async def move_ticket(ticket_id: TicketId, move: Move, review: Reviewed) -> TicketView:
    """Move a ticket right before or after another one; the others make room.

    If it would stand before one it needs, or after one that needs it, the answer is 409 and names
    which. The order is the session's: no ticket's revision changes.
    """
    side = Side.AFTER if move.before is None else Side.BEFORE
    anchor_id = move.before or move.after
    if anchor_id is None or anchor_id == ticket_id:
        raise InvalidInputError(
            "A ticket cannot stand before or after itself.",
            recovery_actions=["Name another ticket."],
        )
    ticket = await review.ticket(ticket_id)
    anchor = await review.ticket(anchor_id)
    before = ticket.position
    if await ticket_order.move_ticket(review.work.db, ticket, side, anchor):
        review.record(
            "ticket.moved",
            ticket.key,
            {
                "before": {"position": before},
                "after": {"position": ticket.position},
                "put": f"{side} {anchor.key}",
            },
        )
        await review.work.db.flush()
    return await view_ticket(review.work.db, ticket)
