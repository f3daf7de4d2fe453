"""A new generation meets the tickets that are there: one is the same as long as its key is.

Identities, assignees, sprints and dependencies made by hand outlive every generation; the words of
a person are kept or dropped, as whoever started it has said.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import new_id
from ticketgen.domain.sessions import WorkSession, bump_content
from ticketgen.domain.ticket_dependencies import quoted, way_to
from ticketgen.domain.tickets import Ticket, TicketDependency

__all__ = [
    "COMPONENT_GONE",
    "EDIT_OUTDATED",
    "GeneratedTicket",
    "PutTickets",
    "count_reworded",
    "put_generated",
    "rewrite_ticket",
]

EDIT_OUTDATED = (
    "The sheets have changed since a person edited this text; compare it with the generated one."
)
"""Note on a ticket whose words were kept although the sheets say something else now."""

COMPONENT_GONE = "The sheets have no such component any more; only the edits have kept this ticket."
"""Note on a ticket that would be deleted, were it not for the words of a person."""


@dataclass(frozen=True, kw_only=True)
class GeneratedTicket:
    """What a generation says of one component."""

    key: str
    csv_type: str
    entity_group: str
    title: str
    description: str
    """Markdown."""
    writer: str
    sources: tuple[Mapping[str, Any], ...] = ()
    """Objects with `file` and `rows`."""
    notes: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    """Keys of others of the same generation, without circles."""


@dataclass(frozen=True, kw_only=True)
class PutTickets:
    """What became of the tickets of a session."""

    inserted: int
    updated: int
    deleted: int
    edits_kept: int
    """Tickets that keep the words of a person."""
    edits_outdated: int
    """Of them, those of which the sheets say something else by now, or nothing."""
    dependencies: int


async def count_reworded(db: AsyncSession, session_id: UUID) -> int:
    """How many tickets of the session say something else than what was generated."""
    reworded = or_(
        Ticket.title != Ticket.generated_title, Ticket.description != Ticket.generated_description
    )
    query = select(func.count()).where(Ticket.session_id == session_id, reworded)
    return int(await db.scalar(query) or 0)


async def put_generated(
    db: AsyncSession,
    session: WorkSession,
    generated: Sequence[GeneratedTicket],
    *,
    keep_edits: bool,
) -> PutTickets:
    """Let the tickets of a session, which must be locked, be these, in this order of work.

    Dependencies made by hand stay in force, and move tickets behind what they need; one that would
    now run in a circle is dropped, with a note. One that a person took away stays away.

    Raises:
        ValueError: two have the same key, or one depends on a key that is not among them.
    """
    keys = [item.key for item in generated]
    if len(set(keys)) < len(keys):
        message = "two generated tickets have the same key"
        raise ValueError(message)
    found = {
        ticket.key: ticket
        for ticket in await db.scalars(select(Ticket).where(Ticket.session_id == session.id))
    }
    gone = [ticket for key, ticket in found.items() if key not in set(keys)]
    kept_alone = [ticket for ticket in gone if keep_edits and ticket.is_edited]
    doomed = [ticket.id for ticket in gone if not (keep_edits and ticket.is_edited)]
    if doomed:
        await db.execute(delete(Ticket).where(Ticket.id.in_(doomed)))
    rows = [_put(db, session.id, found.get(item.key), item, keep_edits) for item in generated]
    for ticket in kept_alone:
        _note(ticket, COMPONENT_GONE)
    await db.flush()
    ordered = [*rows, *kept_alone]
    pairs = await _link(db, ordered, generated)
    _number(ordered, pairs)
    bump_content(session)
    await db.flush()
    return PutTickets(
        inserted=sum(item.key not in found for item in generated),
        updated=sum(item.key in found for item in generated),
        deleted=len(doomed),
        edits_kept=sum(ticket.is_edited for ticket in ordered),
        edits_outdated=sum(
            EDIT_OUTDATED in ticket.notes or COMPONENT_GONE in ticket.notes for ticket in ordered
        ),
        dependencies=len(pairs),
    )


def rewrite_ticket(ticket: Ticket, item: GeneratedTicket, *, keep_edits: bool) -> None:
    """Let a ticket be generated as this; its place, and what depends on what, stay as they are.

    Title and description follow, unless they are a person's and those are to be kept.
    """
    keeps = keep_edits and ticket.is_edited
    outdated = keeps and (
        EDIT_OUTDATED in ticket.notes
        or (ticket.generated_title, ticket.generated_description) != (item.title, item.description)
    )
    ticket.csv_type = item.csv_type
    ticket.entity_group = item.entity_group
    ticket.generated_title = item.title
    ticket.generated_description = item.description
    ticket.writer = item.writer
    ticket.sources = [dict(source) for source in item.sources]
    ticket.notes = list(item.notes)
    if outdated:
        _note(ticket, EDIT_OUTDATED)
    if keeps or not ticket.is_edited:
        return
    ticket.title, ticket.description = item.title, item.description
    ticket.revision += 1
    if ticket.assignee is None and ticket.sprint is None:
        ticket.edited_at = None


def _put(
    db: AsyncSession,
    session_id: UUID,
    ticket: Ticket | None,
    item: GeneratedTicket,
    keep_edits: bool,
) -> Ticket:
    if ticket is not None:
        rewrite_ticket(ticket, item, keep_edits=keep_edits)
        return ticket
    ticket = Ticket(
        id=new_id(),
        session_id=session_id,
        key=item.key,
        csv_type=item.csv_type,
        entity_group=item.entity_group,
        position=0,
        title=item.title,
        description=item.description,
        generated_title=item.title,
        generated_description=item.description,
        writer=item.writer,
        sources=[dict(source) for source in item.sources],
        notes=list(item.notes),
    )
    db.add(ticket)
    return ticket


def _note(ticket: Ticket, note: str) -> None:
    if note not in ticket.notes:
        ticket.notes = [*ticket.notes, note]


async def _link(
    db: AsyncSession, tickets: Sequence[Ticket], generated: Sequence[GeneratedTicket]
) -> set[tuple[UUID, UUID]]:
    """Store what depends on what; the pairs in force, as (ticket, what it needs)."""
    by_key = {ticket.key: ticket.id for ticket in tickets}
    wanted = _pairs(by_key, generated)
    ids = [ticket.id for ticket in tickets]
    stored = {
        (row.ticket_id, row.depends_on_id): row
        for row in await db.scalars(
            select(TicketDependency).where(TicketDependency.ticket_id.in_(ids))
        )
    }
    taken_away = {pair for pair, row in stored.items() if row.removed}
    by_hand = [pair for pair, row in stored.items() if row.by_person and not row.removed]
    for pair, row in stored.items():
        if pair not in wanted and (row.removed or not row.by_person):
            await db.delete(row)
    db.add_all(
        TicketDependency(ticket_id=ticket, depends_on_id=needed)
        for ticket, needed in wanted
        if (ticket, needed) not in stored
    )
    in_force = {pair for pair in wanted if pair not in taken_away}
    needs: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for ticket_id, needed_id in in_force:
        needs[ticket_id].append(needed_id)
    by_id = {ticket.id: ticket for ticket in tickets}
    for ticket_id, needed_id in sorted(set(by_hand) - in_force):
        if way_to(needs, needed_id, ticket_id):
            await db.delete(stored[ticket_id, needed_id])
            _note(
                by_id[ticket_id],
                f"The dependency on {quoted(by_id[needed_id])}, made by hand, was dropped: by the "
                "sheets that ticket needs this one first.",
            )
        else:
            in_force.add((ticket_id, needed_id))
            needs[ticket_id].append(needed_id)
    return in_force


def _pairs(
    by_key: Mapping[str, UUID], generated: Iterable[GeneratedTicket]
) -> dict[tuple[UUID, UUID], None]:
    pairs: dict[tuple[UUID, UUID], None] = {}
    for item in generated:
        for needed in item.depends_on:
            if needed not in by_key:
                message = f"{item.key!r} depends on {needed!r}, which is not among the tickets"
                raise ValueError(message)
            pairs[by_key[item.key], by_key[needed]] = None
    return pairs


def _number(tickets: Sequence[Ticket], pairs: Iterable[tuple[UUID, UUID]]) -> None:
    """Number the tickets in the order given, except that each comes after all it needs."""
    rank = {ticket.id: index for index, ticket in enumerate(tickets)}
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(rank.values(), ()))
    for ticket, needed in pairs:
        sorter.add(rank[ticket], rank[needed])
    sorter.prepare()
    ready: list[int] = []
    position = 0
    while sorter.is_active():
        for index in sorter.get_ready():
            heapq.heappush(ready, index)
        index = heapq.heappop(ready)
        position += 1
        tickets[index].position = position
        sorter.done(index)
