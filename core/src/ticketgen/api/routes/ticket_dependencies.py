"""Letting a ticket need another one, or not any more; never in a circle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import problem_responses
from ticketgen.api.problems import SupersededError
from ticketgen.api.routes import ticket_examples
from ticketgen.api.routes.ticket_changes import Reviewed, TicketId
from ticketgen.api.routes.ticket_views import TicketView, view_ticket
from ticketgen.domain import ticket_dependencies, ticket_order
from ticketgen.domain.audit import WAS
from ticketgen.domain.ticket_dependencies import TicketPlace
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import InvalidInputError

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])


class NewDependency(BaseModel):
    """Which ticket has to be done before."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"depends_on": ticket_examples.LINK["id"]}]},
    )

    depends_on: UUID = Field(description="The id of the ticket that is needed.")
    revision: int | None = Field(
        default=None, description="Only if the ticket is at this revision; null: at any."
    )


class MovedTicket(BaseModel):
    """A ticket that stands earlier now, so that the order stays one."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [ticket_examples.MOVED]}
    )

    id: UUID
    key: str
    title: str
    before: int = Field(description="The position it had.")
    after: int = Field(description="The position it has.")


class DependencyAdded(BaseModel):
    """The ticket as it is now, and what had to be moved for it."""

    model_config = ConfigDict(json_schema_extra={"examples": [ticket_examples.DEPENDENCY_ADDED]})

    ticket: TicketView
    added: bool = Field(description="False: it was there already, and nothing was changed.")
    moved: list[MovedTicket] = Field(
        description="The needed ticket, and what that needs itself, if they stood later."
    )


@router.post("/{ticket_id}/dependencies", responses=problem_responses(403, 404, 409, 422))
async def add_dependency(
    ticket_id: TicketId, request: NewDependency, review: Reviewed
) -> DependencyAdded:
    """Let the ticket need another one; a circle is refused, with the whole way around it.

    If the needed ticket stands later, it is moved right before this one, together with whatever it
    needs itself and stands later as well; the answer says so. One from the sheets that was taken
    away is again as it was.
    """
    if request.depends_on == ticket_id:
        raise InvalidInputError(
            "A ticket cannot need itself.", recovery_actions=["Name another ticket."]
        )
    db = review.work.db
    ticket = await review.ticket(ticket_id)
    needed = await review.ticket(request.depends_on)
    if request.revision is not None and request.revision != ticket.revision:
        raise _superseded(ticket, request.revision)
    needs = await ticket_dependencies.everything_needed(db, needed.id)
    await ticket_dependencies.require_no_circle(db, ticket, needed, needs)
    added = await ticket_dependencies.add_dependency(db, ticket, needed)
    first, moved = ticket.position, []
    if added:
        moved = await ticket_order.pull_before(db, ticket, needed, needs)
        await review.save(ticket, "ticket.dependency_added", _told(needed.key, moved))
    return DependencyAdded(
        ticket=await view_ticket(db, ticket),
        added=added,
        moved=[_moved(place, first + n) for n, place in enumerate(moved)],
    )


@router.delete("/{ticket_id}/dependencies/{needed_id}", responses=problem_responses(403, 404, 409))
async def remove_dependency(ticket_id: TicketId, needed_id: UUID, review: Reviewed) -> TicketView:
    """Let the ticket not need another one any more; the order stays.

    One that follows from the sheets stays away: no generation brings it back.
    """
    ticket = await review.ticket(ticket_id)
    needed = await ticket_dependencies.remove_dependency(review.work.db, ticket, needed_id)
    await review.save(ticket, "ticket.dependency_removed", _told(needed.key, ()))
    return await view_ticket(review.work.db, ticket)


def _moved(place: TicketPlace, after: int) -> MovedTicket:
    return MovedTicket(
        id=place.id, key=place.key, title=place.title, before=place.position, after=after
    )


def _told(needed_key: str, moved: Sequence[TicketPlace]) -> dict[str, Any]:
    details: dict[str, Any] = {"depends_on": needed_key}
    if moved:
        details["moved"] = len(moved)
        details[WAS] = [{"position": place.position, "keys": [place.key]} for place in moved]
    return details


def _superseded(ticket: Ticket, revision: int) -> SupersededError:
    return SupersededError(
        f"The ticket is at revision {ticket.revision}; the request is based on {revision}.",
        current={"revision": ticket.revision, "based_on": revision},
        recovery_actions=["Read the ticket again, and decide on what it says and needs now."],
    )
