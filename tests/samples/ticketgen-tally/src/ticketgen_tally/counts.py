"""The estimate of each ticket: its table, and every query on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ticketgen.domain.sessions import WorkSession
from ticketgen.tables import new_id, table_registry

__all__ = [
    "Base",
    "TicketCount",
    "count_of",
    "is_readable",
    "list_counts",
    "replace_counts",
    "totals",
    "words_by_type",
]


class Base(DeclarativeBase):
    """Of the tables of tally."""

    registry = table_registry()


class TicketCount(Base):
    """How long a ticket was when its session was counted last."""

    __tablename__ = "tally_counts"
    __table_args__ = (UniqueConstraint("session_id", "ticket_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey(WorkSession.id, ondelete="CASCADE"))
    ticket_key: Mapped[str] = mapped_column(String(300))
    csv_type: Mapped[str] = mapped_column(String(50))
    words: Mapped[int]
    points: Mapped[int]
    counted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


async def replace_counts(
    db: AsyncSession, session_id: UUID, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Store the counts of a session in the place of those it had."""
    await db.execute(delete(TicketCount).where(TicketCount.session_id == session_id))
    if rows:
        await db.execute(insert(TicketCount), [{**row, "session_id": session_id} for row in rows])


async def list_counts(db: AsyncSession, session_id: UUID) -> list[TicketCount]:
    """The counts of a session, the longest ticket first."""
    query = select(TicketCount).where(TicketCount.session_id == session_id)
    return list(await db.scalars(query.order_by(TicketCount.words.desc(), TicketCount.ticket_key)))


async def count_of(db: AsyncSession, session_id: UUID, ticket_key: str) -> TicketCount | None:
    """The count of one ticket; None if it was never counted."""
    found: TicketCount | None = await db.scalar(
        select(TicketCount).where(
            TicketCount.session_id == session_id, TicketCount.ticket_key == ticket_key
        )
    )
    return found


async def totals(db: AsyncSession) -> tuple[int, int, int]:
    """Of all sessions together: tickets, words, points."""
    row = (
        await db.execute(
            select(
                func.count(),
                func.coalesce(func.sum(TicketCount.words), 0),
                func.coalesce(func.sum(TicketCount.points), 0),
            )
        )
    ).one()
    return int(row[0]), int(row[1]), int(row[2])


async def words_by_type(db: AsyncSession) -> dict[str, int]:
    """Type of sheet → words of all counted tickets that come from it."""
    rows = await db.execute(
        select(TicketCount.csv_type, func.sum(TicketCount.words)).group_by(TicketCount.csv_type)
    )
    return {csv_type: int(words) for csv_type, words in rows}


async def is_readable(db: AsyncSession) -> bool:
    """Whether the table is there."""
    return bool(await db.scalar(text("SELECT to_regclass('tally_counts') IS NOT NULL")))
