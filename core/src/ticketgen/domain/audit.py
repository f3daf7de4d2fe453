"""Who did what, when: an append-only record of every change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Select, String, delete, func, select
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id

__all__ = ["AuditEntry", "count_old_entries", "delete_old_entries", "record"]


class AuditEntry(Base):
    """One change by one actor; it outlives both the session and the user."""

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(String(100))
    """`noun.verb`, such as `ticket.edited`."""
    session_id: Mapped[UUID | None] = mapped_column(index=True)
    """Not a foreign key: the entry stays when the session is deleted."""
    subject: Mapped[str | None] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


def record(
    db: AsyncSession,
    action: str,
    *,
    actor_id: UUID | None = None,
    session_id: UUID | None = None,
    subject: object = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry in the caller's transaction: no change without its entry."""
    db.add(
        AuditEntry(
            actor_id=actor_id,
            action=action,
            session_id=session_id,
            subject=None if subject is None else str(subject)[:300],
            details=dict(details or {}),
        )
    )


def _old(*, retention: timedelta, limit: int) -> Select[UUID]:
    return (
        select(AuditEntry.id).where(AuditEntry.at < func.clock_timestamp() - retention).limit(limit)
    )


async def count_old_entries(db: AsyncSession, *, retention: timedelta, limit: int) -> int:
    """How many entries are older than `retention`; counted as far as `limit`."""
    found = _old(retention=retention, limit=limit).subquery()
    return int(await db.scalar(select(func.count()).select_from(found)) or 0)


async def delete_old_entries(db: AsyncSession, *, retention: timedelta, limit: int) -> int:
    """Delete at most `limit` entries older than `retention`; how many went."""
    doomed = _old(retention=retention, limit=limit)
    result = await db.execute(delete(AuditEntry).where(AuditEntry.id.in_(doomed)))
    assert isinstance(result, CursorResult)  # noqa: S101 - narrows the type for the checker
    return int(result.rowcount)
