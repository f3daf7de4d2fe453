"""Which tickets of a session are asked for, and what a list tells of each without its text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.descriptions import OVERSIZE
from ticketgen.domain.tickets import Ticket, TicketDependency

__all__ = [
    "GroupCounts",
    "TicketFilter",
    "TicketLine",
    "asked_for",
    "count_groups",
    "list_lines",
]


@dataclass(frozen=True, kw_only=True)
class TicketFilter:
    """What a ticket has to be to be listed; None asks nothing."""

    entity_group: str | None = None
    csv_type: str | None = None
    assignee: str | None = None
    """Empty: nobody."""
    sprint: str | None = None
    """Empty: none."""
    edited: bool | None = None
    """Whether its words differ from what was generated."""
    oversize: bool | None = None
    with_notes: bool | None = None
    containing: str = ""
    """Words that are all found in title, description or key, however they are written."""


@dataclass(frozen=True, kw_only=True)
class TicketLine:
    """A ticket without its text, sources and notes."""

    id: UUID
    key: str
    csv_type: str
    entity_group: str
    position: int
    title: str
    assignee: str | None
    sprint: str | None
    revision: int
    edited_at: datetime | None
    is_edited: bool
    oversize: bool
    notes_count: int
    depends_on_count: int


@dataclass(frozen=True, kw_only=True)
class GroupCounts:
    """How many tickets a filter leaves."""

    groups: dict[str, int]
    """In each group of the session, in order of first appearance, whichever group was asked for."""
    total: int
    """In the groups that were asked for."""


def asked_for(session_id: UUID, only: TicketFilter) -> list[ColumnElement[bool]]:
    """The conditions under which a ticket is one of those asked for."""
    asked: list[ColumnElement[bool]] = [Ticket.session_id == session_id]
    for column, value in (
        (Ticket.entity_group, only.entity_group),
        (Ticket.csv_type, only.csv_type),
    ):
        if value is not None:
            asked.append(column == value)
    for named, name in ((Ticket.assignee, only.assignee), (Ticket.sprint, only.sprint)):
        if name is not None:
            asked.append(named == name if name else named.is_(None))
    for condition, wanted in (
        (_WITH_NOTES, only.with_notes),
        (_OVERSIZE, only.oversize),
        (_EDITED, only.edited),
    ):
        if wanted is not None:
            asked.append(condition if wanted else ~condition)
    for word in only.containing.split():
        texts = (Ticket.title, Ticket.key, Ticket.description)
        asked.append(or_(*(text.icontains(word, autoescape=True) for text in texts)))
    return asked


async def list_lines(
    db: AsyncSession, session_id: UUID, only: TicketFilter, *, limit: int, offset: int
) -> list[TicketLine]:
    """The tickets asked for, in order of work; one statement, and no text leaves the database."""
    # First the page, then what is told of its tickets: the other way round every text is looked at.
    page = (
        select(Ticket.id)
        .where(*asked_for(session_id, only))
        .order_by(Ticket.position, Ticket.id)
        .limit(limit)
        .offset(offset)
        .subquery()
    )
    needs = (
        select(func.count())
        .where(TicketDependency.ticket_id == Ticket.id, TicketDependency.removed.is_(False))
        .correlate(Ticket)
        .scalar_subquery()
    )
    rows = await db.execute(
        select(
            Ticket.id,
            Ticket.key,
            Ticket.csv_type,
            Ticket.entity_group,
            Ticket.position,
            Ticket.title,
            Ticket.assignee,
            Ticket.sprint,
            Ticket.revision,
            Ticket.edited_at,
            _EDITED.label("is_edited"),
            _OVERSIZE.label("oversize"),
            func.jsonb_array_length(Ticket.notes).label("notes_count"),
            needs.label("depends_on_count"),
        )
        .join(page, page.c.id == Ticket.id)
        .order_by(Ticket.position, Ticket.id)
    )
    return [TicketLine(**row) for row in rows.mappings()]


async def count_groups(db: AsyncSession, session_id: UUID, only: TicketFilter) -> GroupCounts:
    """How many tickets are asked for, and how many there would be in each group; one statement."""
    rows: Any = await db.execute(
        select(
            Ticket.entity_group,
            func.count().filter(*asked_for(session_id, replace(only, entity_group=None))),
        )
        .where(Ticket.session_id == session_id)
        .group_by(Ticket.entity_group)
        .order_by(func.min(Ticket.position))
    )
    groups = {name: int(count) for name, count in rows}
    asked = only.entity_group
    return GroupCounts(
        groups=groups, total=sum(groups.values()) if asked is None else groups.get(asked, 0)
    )


_EDITED: ColumnElement[bool] = and_(
    # Words that differ are a person's: what was never touched need not be compared.
    Ticket.edited_at.is_not(None),
    or_(
        Ticket.title != Ticket.generated_title,
        Ticket.description != Ticket.generated_description,
    ),
)

_OVERSIZE: ColumnElement[bool] = and_(
    # A text has no more characters than bytes, and those are counted without unpacking it.
    func.octet_length(Ticket.description) > OVERSIZE,
    func.char_length(Ticket.description) > OVERSIZE,
)

_WITH_NOTES: ColumnElement[bool] = func.jsonb_array_length(Ticket.notes) > 0
