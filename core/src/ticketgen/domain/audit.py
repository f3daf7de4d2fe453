"""Who did what, when: an append-only record of every change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    String,
    case,
    delete,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, statement_time
from ticketgen.domain.users import User

__all__ = [
    "WAS",
    "AuditEntry",
    "AuditLine",
    "count_entries",
    "count_old_entries",
    "delete_old_entries",
    "list_entries",
    "record",
]

WAS = "was"
"""Part of the details in which a change of many things names them: groups with the `keys` of the
things and what they had before. Such a change is in the history of every one of them."""


class AuditEntry(Base):
    """One change by one actor; it outlives both the session and the user."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_session_id_at", "session_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), index=True)
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    action: Mapped[str] = mapped_column(String(100))
    """`noun.verb`, such as `ticket.edited`."""
    session_id: Mapped[UUID | None]
    """Not a foreign key: the entry stays when the session is deleted."""
    subject: Mapped[str | None] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


@dataclass(frozen=True, kw_only=True)
class AuditLine:
    """An entry as a person reads it."""

    id: UUID
    at: datetime
    actor_id: UUID | None
    actor: str | None
    """The name; None for the system, and for somebody who is gone."""
    action: str
    subject: str | None
    details: Mapping[str, Any]
    """Without the names of many things; of one that was asked for, with what it had `before`."""


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


async def list_entries(
    db: AsyncSession, session_id: UUID, *, subject: str | None = None, limit: int, offset: int = 0
) -> list[AuditLine]:
    """What was done in a session, or to one thing in it, the latest first."""
    rows = await db.execute(
        select(
            AuditEntry.id,
            AuditEntry.at,
            AuditEntry.actor_id,
            User.name.label("actor"),
            AuditEntry.action,
            AuditEntry.subject,
            _told(subject).label("details"),
        )
        .outerjoin(User, User.id == AuditEntry.actor_id)
        .where(*_about(session_id, subject))
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [AuditLine(**row) for row in rows.mappings()]


async def count_entries(db: AsyncSession, session_id: UUID, *, subject: str | None = None) -> int:
    """How many entries `list_entries` would give without a limit."""
    query = select(func.count()).select_from(AuditEntry).where(*_about(session_id, subject))
    return int(await db.scalar(query) or 0)


def _about(session_id: UUID, subject: str | None) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = [AuditEntry.session_id == session_id]
    if subject is not None:
        of_many = AuditEntry.details.contains({WAS: [{"keys": [subject]}]})
        asked.append(or_(AuditEntry.subject == subject, of_many))
    return asked


def _told(subject: str | None) -> ColumnElement[Any]:
    """The details without the list of many things, which may be as long as a session is."""
    short = AuditEntry.details.op("-", return_type=JSONB())(literal(WAS, String))
    if subject is None:
        return short
    had = func.jsonb_path_query_first(
        AuditEntry.details,
        literal_column(f"'$.{WAS}[*] ? (@.keys[*] == $key)'::jsonpath"),
        func.jsonb_build_object("key", subject),
        type_=JSONB(),
    ).op("-", return_type=JSONB())(literal("keys", String))
    with_before = short.op("||", return_type=JSONB())(func.jsonb_build_object("before", had))
    return case((had.is_not(None), with_before), else_=short)


def _old(*, retention: timedelta, limit: int) -> Select[UUID]:
    return select(AuditEntry.id).where(AuditEntry.at < statement_time() - retention).limit(limit)


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
