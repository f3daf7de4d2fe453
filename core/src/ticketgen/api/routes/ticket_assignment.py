"""Giving tickets to somebody or into a sprint, many at once."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ticketgen.api.deps import problem_responses
from ticketgen.api.routes import ticket_examples
from ticketgen.api.routes.ticket_changes import Reviewed
from ticketgen.api.texts import ShortText
from ticketgen.domain import ticket_assignment
from ticketgen.domain.audit import WAS
from ticketgen.domain.ticket_lists import TicketFilter

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])

_MOST_NAMED = 100_000

_FIRST_KEYS = 20
"""So many keys are told in a history; the log has all of them."""

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]


class ChosenTickets(BaseModel):
    """The filters of the list of tickets; none: every ticket of the session."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [ticket_examples.CHOSEN]}
    )

    group: Name | None = None
    csv_type: Name | None = None
    assignee: Name | None = Field(default=None, description="Empty: nobody.")
    sprint: Name | None = Field(default=None, description="Empty: none.")
    edited: bool | None = None
    oversize: bool | None = None
    with_notes: bool | None = None
    q: Name = ""


class Assignment(BaseModel):
    """Which tickets, by id or by filter, and whose or what sprint's they are to be."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [ticket_examples.ASSIGNMENT_BY_ID, ticket_examples.ASSIGNMENT_BY_FILTER]
        },
    )

    ticket_ids: list[UUID] | None = Field(default=None, min_length=1, max_length=_MOST_NAMED)
    filter: ChosenTickets | None = None
    assignee: ShortText | None = Field(default=None, description="Null: nobody.")
    sprint: ShortText | None = Field(default=None, description="Null: none.")

    @model_validator(mode="after")
    def _complete(self) -> Assignment:
        if (self.ticket_ids is None) == (self.filter is None):
            raise ValueError("name either `ticket_ids` or a `filter`")
        if not self.model_fields_set & {"assignee", "sprint"}:
            raise ValueError("name `assignee`, `sprint` or both; null takes it away")
        return self


class Assigned(BaseModel):
    """How many tickets were meant, and how many had something else."""

    model_config = ConfigDict(json_schema_extra={"examples": [ticket_examples.ASSIGNED]})

    matched: int
    changed: int = Field(description="The others had it already, and were not touched.")


@router.post("/assign", responses=problem_responses(403, 404, 409, 422))
async def assign_tickets(request: Assignment, review: Reviewed) -> Assigned:
    """Set assignee, sprint or both of many tickets, or take them away; all or none.

    If an id is no ticket of the session the answer is 404 and names it, and nothing is changed.
    Each ticket that changes is at its next revision then.
    """
    db, session_id = review.work.db, review.session.id
    values: dict[str, str | None] = {
        field: getattr(request, field)
        for field in ("assignee", "sprint")
        if field in request.model_fields_set
    }
    ticket_ids = None if request.ticket_ids is None else set(request.ticket_ids)
    if ticket_ids is not None:
        await ticket_assignment.require_tickets(db, session_id, request.ticket_ids or ())
    done = await ticket_assignment.assign_tickets(
        db, session_id, values, ticket_ids=ticket_ids, only=_filter_of(request.filter)
    )
    if done.keys:
        review.record(
            "tickets.assigned",
            None,
            {
                "after": values,
                "tickets": len(done.keys),
                "first_keys": list(done.keys[:_FIRST_KEYS]),
                WAS: [dict(group) for group in done.was],
            },
        )
        await db.flush()
    return Assigned(matched=done.matched, changed=len(done.keys))


def _filter_of(chosen: ChosenTickets | None) -> TicketFilter | None:
    if chosen is None:
        return None
    asked: dict[str, Any] = chosen.model_dump(exclude={"group", "q"})
    return TicketFilter(entity_group=chosen.group, containing=chosen.q, **asked)
