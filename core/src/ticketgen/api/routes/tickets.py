"""Tickets: list them by group, read one, edit one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, LockedSession, OwnedSession, Work, problem_responses
from ticketgen.api.texts import LongText, ShortText
from ticketgen.domain import audit, sessions, task_runs, tickets
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import ConflictError, InvalidInputError
from ticketgen.plugin import TICKETS_GROUP
from ticketgen.starting import TaskConflictError, UnitOfWork

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])


class TicketSummary(BaseModel):
    """A ticket as it stands in a list."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.TICKET_SUMMARY]}
    )

    id: UUID
    key: str
    csv_type: str
    entity_group: str
    position: int = Field(description="Place in the order of work, from 1.")
    title: str
    assignee: str | None
    sprint: str | None
    revision: int
    edited_at: datetime | None


class TicketView(TicketSummary):
    """A ticket in full."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TICKET]})

    description: str = Field(description="Markdown.")
    sources: list[Any] = Field(description="Objects with `file` and `rows`.")
    notes: list[Any] = Field(description="Sentences about doubtful input.")
    depends_on: list[UUID] = Field(description="Tickets that have to be done before.")


class TicketList(BaseModel):
    """The tickets of a session in order of work, and how many each group has."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TICKET_LIST]})

    groups: dict[str, int]
    tickets: list[TicketSummary]


class TicketEdit(BaseModel):
    """The parts of a ticket that are to change, and the revision they were read at."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"revision": 1, "title": "Content type: Event"}]},
    )

    revision: int = Field(description="The ticket's revision the edit is based on.")
    title: ShortText | None = None
    description: LongText | None = None
    assignee: ShortText | None = None
    sprint: ShortText | None = None


@router.get("", responses=problem_responses(403, 404))
async def list_tickets(
    session: OwnedSession,
    work: Work,
    group: Annotated[str | None, Query(description="Only this entity group.")] = None,
) -> TicketList:
    """List the session's tickets, of one group or all."""
    found = await tickets.list_tickets(work.db, session.id, entity_group=group)
    return TicketList(
        groups=await tickets.count_by_group(work.db, session.id),
        tickets=[TicketSummary.model_validate(ticket) for ticket in found],
    )


@router.get("/{ticket_id}", responses=problem_responses(403, 404))
async def get_ticket(ticket_id: UUID, session: OwnedSession, work: Work) -> TicketView:
    """Show one ticket in full."""
    ticket = await tickets.get_ticket(work.db, session_id=session.id, ticket_id=ticket_id)
    return await _view(work, ticket)


@router.patch("/{ticket_id}", responses=problem_responses(403, 404, 409, 422))
async def edit_ticket(
    ticket_id: UUID, edit: TicketEdit, session: LockedSession, work: Work, user: CurrentUser
) -> TicketView:
    """Edit a ticket; the session's validation is stale from then on.

    The edit says which revision it is based on: if somebody else was faster, it is refused and
    nothing is lost.
    """
    await _require_editable(work, session)
    ticket = await tickets.get_ticket(
        work.db, session_id=session.id, ticket_id=ticket_id, lock=True
    )
    if ticket.revision != edit.revision:
        raise ConflictError(
            f"The ticket is at revision {ticket.revision}; the edit is based on {edit.revision}.",
            recovery_actions=["Read the ticket again and repeat the edit on what it says now."],
        )
    changed = edit.model_dump(exclude_unset=True, exclude={"revision"})
    if not changed:
        raise InvalidInputError(
            "The edit changes nothing.",
            recovery_actions=["Name at least one field beside `revision`."],
        )
    for field in ("title", "description"):
        if changed.get(field, "") is None:
            raise InvalidInputError(
                f"{field} cannot be null.", recovery_actions=["Leave it out to keep it as it is."]
            )
    for field, value in changed.items():
        setattr(ticket, field, value)
    ticket.revision += 1
    ticket.edited_at = func.clock_timestamp()
    sessions.bump_content(session)
    audit.record(
        work.db,
        "ticket.edited",
        actor_id=user.id,
        session_id=session.id,
        subject=ticket.key,
        details={"fields": sorted(changed), "revision": ticket.revision},
    )
    await work.db.flush()
    await work.db.refresh(ticket)
    return await _view(work, ticket)


async def _require_editable(work: UnitOfWork, session: WorkSession) -> None:
    sessions.require_stage(session, Stage.REVIEW, Stage.JIRA_EXPORT, doing="Editing a ticket")
    export = await task_runs.find_active_run(
        work.db, session_id=session.id, conflict_group=TICKETS_GROUP
    )
    if export is not None:
        raise TaskConflictError(
            f"`{export.task_type}` is at work on the tickets.",
            recovery_actions=[f"Wait until the run {export.id} has ended."],
        )


async def _view(work: UnitOfWork, ticket: Ticket) -> TicketView:
    needed = await tickets.dependencies_of(work.db, [ticket])
    summary = TicketSummary.model_validate(ticket)
    return TicketView(
        **summary.model_dump(),
        description=ticket.description,
        sources=ticket.sources,
        notes=ticket.notes,
        depends_on=needed[ticket.id],
    )
