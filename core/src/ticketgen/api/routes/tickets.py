"""Tickets of a session: found by what they are, and read one by one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import (
    Limit,
    Offset,
    OwnedSession,
    Work,
    problem_responses,
    tell_total,
    told_total,
)
from ticketgen.api.routes.ticket_changes import TicketId
from ticketgen.api.routes.ticket_views import TicketSummary, TicketView, view_ticket
from ticketgen.domain import ticket_lists, tickets
from ticketgen.domain.ticket_lists import TicketFilter

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])

_EVERY_TICKET = 1_000
"""As many as a list may have: a session has rarely more tickets, and they are short in it."""


class TicketList(BaseModel):
    """The tickets that were asked for in order of work, and how many each group has."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TICKET_LIST]})

    groups: dict[str, int] = Field(
        description="Of every group of the session, how many are as asked for, whichever `group` "
        "was asked for."
    )
    total: int = Field(description="On all pages together.")
    tickets: list[TicketSummary]


async def _only(
    group: Annotated[str | None, Query(description="Only this entity group.")] = None,
    csv_type: Annotated[str | None, Query(description="Only made from this type.")] = None,
    assignee: Annotated[str | None, Query(description="Only of this one; empty: nobody.")] = None,
    sprint: Annotated[str | None, Query(description="Only in this one; empty: none.")] = None,
    edited: Annotated[
        bool | None, Query(description="Whether the words differ from what was generated.")
    ] = None,
    oversize: Annotated[
        bool | None, Query(description="Whether the description is sent as an attachment.")
    ] = None,
    with_notes: Annotated[
        bool | None, Query(description="Whether there are sentences about doubtful input.")
    ] = None,
    q: Annotated[
        str,
        Query(
            max_length=200,
            description="Words that are all found in title, description or key.",
            examples=["event"],
        ),
    ] = "",
) -> TicketFilter:
    return TicketFilter(
        entity_group=group,
        csv_type=csv_type,
        assignee=assignee,
        sprint=sprint,
        edited=edited,
        oversize=oversize,
        with_notes=with_notes,
        containing=q,
    )


Only = Annotated[TicketFilter, Depends(_only)]


@router.get("", responses={**problem_responses(403, 404), **told_total()})
async def list_tickets(
    session: OwnedSession,
    work: Work,
    only: Only,
    response: Response,
    limit: Limit = _EVERY_TICKET,
    offset: Offset = 0,
) -> TicketList:
    """List the session's tickets in order of work; `total` and `X-Total-Count` say how many.

    The filters hold together. What a ticket says is not in the list: read it by its id.
    """
    found = await ticket_lists.list_lines(work.db, session.id, only, limit=limit, offset=offset)
    counts = await ticket_lists.count_groups(work.db, session.id, only)
    tell_total(response, counts.total)
    return TicketList(
        groups=counts.groups,
        total=counts.total,
        tickets=[TicketSummary.model_validate(line) for line in found],
    )


@router.get("/{ticket_id}", responses=problem_responses(403, 404))
async def get_ticket(ticket_id: TicketId, session: OwnedSession, work: Work) -> TicketView:
    """Show one ticket in full, with what it needs and what needs it."""
    ticket = await tickets.get_ticket(work.db, session_id=session.id, ticket_id=ticket_id)
    return await view_ticket(work.db, ticket)
