"""Tickets: what the specification asks for, one per component, and what depends on what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
    Uuid,
    any_,
    delete,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from ticketgen.database import Base, new_id
from ticketgen.errors import NotFoundError

__all__ = [
    "Ticket",
    "TicketDependency",
    "among",
    "count_by_group",
    "delete_tickets",
    "dependencies_of",
    "get_ticket",
    "list_tickets",
]


class Ticket(Base):
    """One component's ticket; `description` is Markdown."""

    __tablename__ = "tickets"
    __table_args__ = (UniqueConstraint("session_id", "key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(300))
    """Stable name of the component within the session: `bundles:content-type:article`."""
    csv_type: Mapped[str] = mapped_column(String(50))
    entity_group: Mapped[str] = mapped_column(String(100))
    position: Mapped[int] = mapped_column(Integer)
    """Place in the order of work, from 1; dependencies come first."""
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    generated_title: Mapped[str] = mapped_column(Text, default="")
    generated_description: Mapped[str] = mapped_column(Text, default="")
    """What the generator wrote; a person's edits change `title` and `description` only."""
    writer: Mapped[str] = mapped_column(String(50), default="")
    """Who wrote the story and the criteria; empty where it was not noted."""
    assignee: Mapped[str | None] = mapped_column(String(200))
    sprint: Mapped[str | None] = mapped_column(String(200))
    sources: Mapped[list[Any]] = mapped_column(default=list)
    """Where its facts stand: objects with `file` and `rows`."""
    notes: Mapped[list[Any]] = mapped_column(default=list)
    """Sentences about doubtful input, also shown in the description."""
    revision: Mapped[int] = mapped_column(default=1)
    """Counts the edits of this ticket; an edit says which revision it is based on."""
    edited_at: Mapped[datetime | None]
    """When a person changed anything of it last."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    @property
    def is_edited(self) -> bool:
        """Whether its words differ from what was generated."""
        return (self.title, self.description) != (self.generated_title, self.generated_description)


class TicketDependency(Base):
    """`ticket_id` cannot begin before `depends_on_id` is done."""

    __tablename__ = "ticket_dependencies"

    ticket_id: Mapped[UUID] = mapped_column(
        ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True
    )
    depends_on_id: Mapped[UUID] = mapped_column(
        ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    by_person: Mapped[bool] = mapped_column(default=False)
    """Whether a person added it; else it follows from a reference in the sheets."""
    removed: Mapped[bool] = mapped_column(default=False)
    """Whether a person took it away: it is kept, so that no generation brings it back."""


def among(column: ColumnElement[UUID] | InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> Any:
    """Whether a column's id is one of these, however many: a plain IN ends at 32,767."""
    return column == any_(literal(list(ids), ARRAY(Uuid)))


async def get_ticket(
    db: AsyncSession, *, session_id: UUID, ticket_id: UUID, lock: bool = False
) -> Ticket:
    """One ticket of the session, locked until the transaction ends if it is to be changed.

    Raises:
        NotFoundError: the session has no such ticket.
    """
    query = select(Ticket).where(Ticket.id == ticket_id, Ticket.session_id == session_id)
    if lock:
        query = query.with_for_update()
    ticket = await db.scalar(query)
    if ticket is None:
        raise NotFoundError(
            f"The session has no ticket {ticket_id}.",
            recovery_actions=["List its tickets with GET /api/sessions/{session_id}/tickets."],
        )
    return ticket


async def list_tickets(
    db: AsyncSession, session_id: UUID, *, entity_group: str | None = None
) -> list[Ticket]:
    """The session's tickets in order of work, of one group or all."""
    query = select(Ticket).where(Ticket.session_id == session_id).order_by(Ticket.position)
    if entity_group is not None:
        query = query.where(Ticket.entity_group == entity_group)
    return list(await db.scalars(query))


async def count_by_group(db: AsyncSession, session_id: UUID) -> dict[str, int]:
    """Entity group → number of tickets, in order of first appearance."""
    rows = await db.execute(
        select(Ticket.entity_group, func.count())
        .where(Ticket.session_id == session_id)
        .group_by(Ticket.entity_group)
        .order_by(func.min(Ticket.position))
    )
    return dict(rows.all())


async def delete_tickets(db: AsyncSession, session_id: UUID) -> None:
    """Remove all tickets of the session, with their dependencies."""
    await db.execute(delete(Ticket).where(Ticket.session_id == session_id))


async def dependencies_of(db: AsyncSession, tickets: Sequence[Ticket]) -> dict[UUID, list[UUID]]:
    """Ticket id → ids of what it depends on, in order of work; every given ticket has an entry.

    What a person took away is not among them.
    """
    found: dict[UUID, list[UUID]] = {ticket.id: [] for ticket in tickets}
    rows = await db.execute(
        select(TicketDependency.ticket_id, TicketDependency.depends_on_id)
        .join(Ticket, Ticket.id == TicketDependency.depends_on_id)
        .where(among(TicketDependency.ticket_id, found), TicketDependency.removed.is_(False))
        .order_by(Ticket.position)
    )
    for ticket_id, needed in rows:
        found[ticket_id].append(needed)
    return found
