"""Giving many tickets to somebody, or into a sprint, in one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.ticket_lists import TicketFilter, asked_for
from ticketgen.domain.tickets import Ticket, among
from ticketgen.errors import NotFoundError

__all__ = ["AssignedTickets", "assign_tickets", "require_tickets"]

_NAMED = 20
"""Unknown tickets named in a refusal at most."""


@dataclass(frozen=True, kw_only=True)
class AssignedTickets:
    """What an assignment found and did."""

    matched: int
    keys: tuple[str, ...]
    """Of the tickets that had something else, in order of work."""
    was: tuple[Mapping[str, Any], ...]
    """What they had: the fields that were to change and `revision`, with the `keys` of each."""


async def require_tickets(db: AsyncSession, session_id: UUID, ids: Collection[UUID]) -> None:
    """Refuse ids that are no tickets of the session.

    Raises:
        NotFoundError: some are none; the message names them.
    """
    known = set(
        await db.scalars(
            select(Ticket.id).where(Ticket.session_id == session_id, among(Ticket.id, ids))
        )
    )
    unknown = [ticket_id for ticket_id in dict.fromkeys(ids) if ticket_id not in known]
    if not unknown:
        return
    named = ", ".join(str(ticket_id) for ticket_id in unknown[:_NAMED])
    more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
    raise NotFoundError(
        f"The session has no such tickets: {named}{more}. Nothing was changed.",
        recovery_actions=[
            "Leave them out, or list the tickets with GET /api/sessions/{session_id}/tickets."
        ],
    )


async def assign_tickets(
    db: AsyncSession,
    session_id: UUID,
    values: Mapping[str, str | None],
    *,
    ticket_ids: Collection[UUID] | None = None,
    only: TicketFilter | None = None,
) -> AssignedTickets:
    """Set `assignee`, `sprint` or both of those tickets; the session must be locked.

    A ticket that has the values already is not touched.
    """
    chosen = (
        asked_for(session_id, only or TicketFilter())
        if ticket_ids is None
        else [Ticket.session_id == session_id, among(Ticket.id, ticket_ids)]
    )
    matched = int(await db.scalar(select(func.count()).select_from(Ticket).where(*chosen)) or 0)
    fields = sorted(values)
    differs: ColumnElement[bool] = or_(
        *(getattr(Ticket, field).is_distinct_from(values[field]) for field in fields)
    )
    old = (
        select(Ticket.id, Ticket.revision, *(getattr(Ticket, field) for field in fields))
        .where(*chosen, differs)
        .subquery()
    )
    rows = await db.execute(
        update(Ticket)
        .where(Ticket.id == old.c.id)
        .values(**values, revision=Ticket.revision + 1, edited_at=func.clock_timestamp())
        .returning(Ticket.position, Ticket.key, old.c.revision, *(old.c[field] for field in fields))
        .execution_options(synchronize_session=False)
    )
    keys: list[str] = []
    groups: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for _, key, *had in sorted(rows, key=lambda row: (row[0], row[1])):
        keys.append(key)
        groups[tuple(had)].append(key)
    return AssignedTickets(
        matched=matched,
        keys=tuple(keys),
        was=tuple(
            {**dict(zip(("revision", *fields), had, strict=True)), "keys": named}
            for had, named in groups.items()
        ),
    )
