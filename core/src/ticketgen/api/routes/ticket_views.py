"""How a ticket is shown: as a line of a list, and in full with what it needs and what needs it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api import examples
from ticketgen.api.routes import ticket_examples
from ticketgen.domain import ticket_dependencies
from ticketgen.domain.descriptions import OVERSIZE
from ticketgen.domain.tickets import Ticket

__all__ = ["TicketLink", "TicketSummary", "TicketView", "view_ticket"]


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
    edited_at: datetime | None = Field(
        description="When a person changed words, assignee, sprint or dependencies last."
    )
    is_edited: bool = Field(description="Whether its words differ from what was generated.")
    oversize: bool = Field(description="Whether its description is sent as an attachment.")
    notes_count: int
    depends_on_count: int


class TicketLink(BaseModel):
    """Another ticket, and who said that one of the two needs the other."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [ticket_examples.LINK]}
    )

    id: UUID
    key: str
    title: str
    position: int
    by_person: bool = Field(description="False: it follows from the sheets.")


class TicketView(TicketSummary):
    """A ticket in full."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.TICKET]})

    description: str = Field(description="Markdown.")
    hint: str | None = Field(description="What becomes of a description that is too long.")
    writer: str = Field(description="Who wrote story and criteria; empty where it is not known.")
    sources: list[Any] = Field(description="Objects with `file` and `rows`.")
    notes: list[Any] = Field(description="Sentences about doubtful input.")
    depends_on: list[TicketLink] = Field(description="Tickets that have to be done before.")
    needed_by: list[TicketLink] = Field(description="Tickets that cannot begin before it is done.")


async def view_ticket(db: AsyncSession, ticket: Ticket) -> TicketView:
    """The ticket in full, as the database has it."""
    needs = await ticket_dependencies.needs_of(db, ticket.id)
    needed_by = await ticket_dependencies.needed_by(db, ticket.id)
    length = len(ticket.description)
    return TicketView(
        id=ticket.id,
        key=ticket.key,
        csv_type=ticket.csv_type,
        entity_group=ticket.entity_group,
        position=ticket.position,
        title=ticket.title,
        assignee=ticket.assignee,
        sprint=ticket.sprint,
        revision=ticket.revision,
        edited_at=ticket.edited_at,
        is_edited=ticket.is_edited,
        oversize=length > OVERSIZE,
        notes_count=len(ticket.notes),
        depends_on_count=len(needs),
        description=ticket.description,
        hint=_hint(length),
        writer=ticket.writer,
        sources=ticket.sources,
        notes=ticket.notes,
        depends_on=[TicketLink.model_validate(place) for place in needs],
        needed_by=[TicketLink.model_validate(place) for place in needed_by],
    )


def _hint(length: int) -> str | None:
    if length <= OVERSIZE:
        return None
    return (
        f"The description has {length:,} characters. More than {OVERSIZE:,} are sent in a short "
        "form, with the whole text attached."
    )
