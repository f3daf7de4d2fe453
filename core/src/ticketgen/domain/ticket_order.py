"""The order of work: where a ticket may stand, and how the others make room for it.

Positions are 1, 2, 3 … without gaps after every change; the session has to be locked for one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Uuid, case, cast, column, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.ticket_dependencies import TicketPlace, needed_by, needs_of, quoted
from ticketgen.domain.tickets import Ticket, among
from ticketgen.errors import ConflictError

__all__ = [
    "NAMED_TICKETS",
    "Side",
    "TicketOrderError",
    "move_ticket",
    "pull_before",
    "require_order",
]

NAMED_TICKETS = 20
"""So many tickets are named in a refusal at most."""


class TicketOrderError(ConflictError):
    """A ticket would stand before one it needs."""

    code = "ticket_order"


class Side(StrEnum):
    """On which side of another ticket."""

    BEFORE = "before"
    AFTER = "after"


async def move_ticket(db: AsyncSession, ticket: Ticket, side: Side, anchor: Ticket) -> bool:
    """Put a ticket right before or after another one of its session; whether it stood elsewhere.

    Raises:
        TicketOrderError: it, or one that needs it, would stand before what it needs.
    """
    slot = anchor.position if side is Side.BEFORE else anchor.position + 1
    require_order(
        ticket, slot, needs=await needs_of(db, ticket.id), needed=await needed_by(db, ticket.id)
    )
    if slot in {ticket.position, ticket.position + 1}:
        return False
    await _place(db, ticket.session_id, [ticket.id], slot)
    await db.refresh(ticket, ["position"])
    return True


async def pull_before(
    db: AsyncSession, ticket: Ticket, needed: Ticket, all_needed: Collection[UUID]
) -> list[TicketPlace]:
    """Let the needed ticket stand before the one that needs it; what was moved, as it stood.

    If it stands later, it goes right before it, and with it whatever of `all_needed`, all that it
    needs itself, stands later as well, in the order they have. Nothing else changes its place
    among the others, and less would not do.
    """
    if needed.position < ticket.position:
        return []
    rows = await db.execute(
        select(Ticket.id, Ticket.key, Ticket.title, Ticket.position)
        .where(among(Ticket.id, {*all_needed, needed.id}), Ticket.position >= ticket.position)
        .order_by(Ticket.position, Ticket.id)
    )
    moved = [TicketPlace(**row) for row in rows.mappings()]
    await _place(db, ticket.session_id, [place.id for place in moved], ticket.position)
    await db.refresh(ticket, ["position"])
    return moved


def require_order(
    ticket: Ticket, slot: int, *, needs: Sequence[TicketPlace], needed: Sequence[TicketPlace]
) -> None:
    """Refuse a place, in front of what stands at `slot` now, that is too early or too late.

    Raises:
        TicketOrderError: the ticket, or one that needs it, would stand before what it needs.
    """
    early = [place for place in needs if place.position >= slot]
    late = [place for place in needed if place.position < slot]
    if early:
        raise TicketOrderError(
            f"{quoted(ticket)} would stand before what it needs: {_named(early)}.",
            recovery_actions=[
                f"Move it after {quoted(early[-1])}, or move that one first.",
                "Or take away the dependency, if it is not needed after all.",
            ],
        )
    if late:
        raise TicketOrderError(
            f"{quoted(ticket)} would stand after what needs it: {_named(late)}.",
            recovery_actions=[
                f"Move it before {quoted(late[0])}, or move that one first.",
                "Or take away the dependency, if it is not needed after all.",
            ],
        )


def _named(places: Sequence[TicketPlace]) -> str:
    names = [quoted(place) for place in places[:NAMED_TICKETS]]
    if len(places) > NAMED_TICKETS:
        names.append(f"and {len(places) - NAMED_TICKETS:,} more")
    return ", ".join(names)


async def _place(db: AsyncSession, session_id: UUID, moved: Sequence[UUID], slot: int) -> None:
    """Put tickets, in the order they have, in front of what stands at `slot`; number all anew."""
    # Joined and not compared with an array, which would be searched for every ticket.
    listed = func.unnest(cast(list(moved), ARRAY(Uuid)))
    named = listed.table_valued(column("id", Uuid)).render_derived(name="named")
    is_moved = named.c.id.is_not(None)
    placed = (
        select(
            Ticket.id,
            func.row_number()
            .over(
                order_by=(
                    case((is_moved, slot), else_=Ticket.position),
                    case((is_moved, 0), else_=1),
                    Ticket.position,
                    Ticket.id,
                )
            )
            .label("place"),
        )
        .outerjoin(named, named.c.id == Ticket.id)
        .where(Ticket.session_id == session_id)
        .subquery()
    )
    await db.execute(
        update(Ticket)
        .where(Ticket.id == placed.c.id, Ticket.position != placed.c.place)
        .values(position=placed.c.place)
        .execution_options(synchronize_session=False)
    )
