"""What a ticket needs and what needs it, and that nobody ends up waiting for themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.tickets import Ticket, TicketDependency, among
from ticketgen.errors import ConflictError, NotFoundError

__all__ = [
    "DependencyCycleError",
    "TicketPlace",
    "add_dependency",
    "everything_needed",
    "needed_by",
    "needs_of",
    "quoted",
    "remove_dependency",
    "require_no_circle",
    "way_to",
]

_LONGEST_NAMED = 120

_NAMED_ON_A_WAY = 20
"""Tickets of a longer circle are named from both its ends."""


class DependencyCycleError(ConflictError):
    """A ticket would have to be done before itself."""

    code = "dependency_cycle"


@dataclass(frozen=True, kw_only=True)
class TicketPlace:
    """A ticket by name, where it stands, and whether a person made the dependency that led here."""

    id: UUID
    key: str
    title: str
    position: int
    by_person: bool = False


def quoted(ticket: Ticket | TicketPlace) -> str:
    """A ticket as a message names it: title and key."""
    title = ticket.title
    cut = title if len(title) <= _LONGEST_NAMED else f"{title[: _LONGEST_NAMED - 1]}…"
    return f"“{cut}” ({ticket.key})"


async def needs_of(db: AsyncSession, ticket_id: UUID) -> list[TicketPlace]:
    """What the ticket depends on, in order of work."""
    return await _neighbours(
        db, TicketDependency.depends_on_id == Ticket.id, TicketDependency.ticket_id == ticket_id
    )


async def needed_by(db: AsyncSession, ticket_id: UUID) -> list[TicketPlace]:
    """What depends on the ticket, in order of work."""
    return await _neighbours(
        db, TicketDependency.ticket_id == Ticket.id, TicketDependency.depends_on_id == ticket_id
    )


async def everything_needed(db: AsyncSession, ticket_id: UUID) -> dict[UUID, list[UUID]]:
    """The ticket, and all it needs directly or not, each with what it needs itself."""
    first = select(Ticket.id).where(Ticket.id == ticket_id)
    reached = first.cte("reached", recursive=True)
    reached = reached.union(
        select(TicketDependency.depends_on_id)
        .join(reached, TicketDependency.ticket_id == reached.c.id)
        .where(TicketDependency.removed.is_(False))
    )
    rows = await db.execute(
        select(TicketDependency.ticket_id, TicketDependency.depends_on_id)
        .join(reached, TicketDependency.ticket_id == reached.c.id)
        .join(Ticket, Ticket.id == TicketDependency.depends_on_id)
        .where(TicketDependency.removed.is_(False))
        .order_by(Ticket.position, Ticket.id)
    )
    needs: dict[UUID, list[UUID]] = {ticket_id: []}
    for ticket, needed in rows:
        needs.setdefault(ticket, []).append(needed)
        needs.setdefault(needed, [])
    return needs


def way_to(needs: Mapping[UUID, Sequence[UUID]], start: UUID, goal: UUID) -> list[UUID]:
    """The shortest way from one ticket over what each needs to another; empty if there is none."""
    came_from: dict[UUID, UUID | None] = {start: None}
    waiting = deque([start])
    while waiting and goal not in came_from:
        ticket = waiting.popleft()
        for needed in needs.get(ticket, ()):
            if needed not in came_from:
                came_from[needed] = ticket
                waiting.append(needed)
    way: list[UUID] = []
    step = goal if goal in came_from else None
    while step is not None:
        way.append(step)
        step = came_from[step]
    return way[::-1]


async def require_no_circle(
    db: AsyncSession, ticket: Ticket, needed: Ticket, needs: Mapping[UUID, Sequence[UUID]]
) -> None:
    """Refuse that the ticket comes to need what, in the end, needs the ticket.

    `needs` is `everything_needed` of the needed one.

    Raises:
        DependencyCycleError: it would; the message names the whole way around.
    """
    way = way_to(needs, needed.id, ticket.id)
    if not way:
        return
    rows = await db.execute(
        select(Ticket.id, Ticket.key, Ticket.title, Ticket.position).where(among(Ticket.id, way))
    )
    places = {row["id"]: TicketPlace(**row) for row in rows.mappings()}
    names = [quoted(ticket), *(quoted(places[step]) for step in way)]
    if len(names) > _NAMED_ON_A_WAY:
        half = _NAMED_ON_A_WAY // 2
        left_out = len(names) - 2 * half
        names = [*names[:half], f"{left_out} more", *names[-half:]]
    raise DependencyCycleError(
        f"The tickets would need each other in a circle: {' → '.join(names)}.",
        recovery_actions=[
            "Take away one of the dependencies on this way first, or leave this one out."
        ],
    )


async def add_dependency(db: AsyncSession, ticket: Ticket, needed: Ticket) -> bool:
    """Let the ticket need another one of its session, which must be locked; whether it is new.

    If a person had taken it away, it is again what it was.
    """
    found = await db.get(TicketDependency, (ticket.id, needed.id))
    if found is not None and not found.removed:
        return False
    if found is not None:
        found.removed = False
    else:
        db.add(TicketDependency(ticket_id=ticket.id, depends_on_id=needed.id, by_person=True))
    await db.flush()
    return True


async def remove_dependency(db: AsyncSession, ticket: Ticket, needed_id: UUID) -> TicketPlace:
    """Let the ticket not need another one any more; which that was. The session must be locked.

    One that follows from the sheets stays as a mark, so that no generation brings it back.

    Raises:
        NotFoundError: the ticket does not depend on it.
    """
    found = await db.get(TicketDependency, (ticket.id, needed_id))
    needed = {place.id: place for place in await needs_of(db, ticket.id)}.get(needed_id)
    if found is None or needed is None:
        raise NotFoundError(
            f"{quoted(ticket)} does not depend on a ticket {needed_id}.",
            recovery_actions=["See what it depends on: `depends_on` of the ticket."],
        )
    if found.by_person:
        await db.delete(found)
    else:
        found.removed = True
    await db.flush()
    return needed


async def _neighbours(
    db: AsyncSession, other_end: ColumnElement[bool], this_end: ColumnElement[bool]
) -> list[TicketPlace]:
    rows = await db.execute(
        select(Ticket.id, Ticket.key, Ticket.title, Ticket.position, TicketDependency.by_person)
        .join(TicketDependency, other_end)
        .where(this_end, TicketDependency.removed.is_(False))
        .order_by(Ticket.position, Ticket.id)
    )
    return [TicketPlace(**row) for row in rows.mappings()]
