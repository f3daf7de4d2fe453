"""The verdict on a session's tickets, with the document each ticket becomes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, cast, delete, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id
from ticketgen.domain.sessions import WorkSession

__all__ = [
    "TicketValidation",
    "Validation",
    "count_warnings",
    "delete_validations",
    "latest_validation",
    "read_documents",
    "ticket_results",
    "valid_verdict",
]


class Validation(Base):
    """One verdict over all tickets of a session, good for one content revision."""

    __tablename__ = "validations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    task_id: Mapped[UUID]
    """The run that came to this verdict."""
    content_revision: Mapped[int]
    """The session's revision when the run began to read."""
    passed: Mapped[bool]
    ticket_count: Mapped[int]
    failed_count: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class TicketValidation(Base):
    """The result for one ticket: its document and what is wrong with it."""

    __tablename__ = "ticket_validations"

    validation_id: Mapped[UUID] = mapped_column(
        ForeignKey("validations.id", ondelete="CASCADE"), primary_key=True
    )
    ticket_id: Mapped[UUID] = mapped_column(
        ForeignKey("tickets.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    passed: Mapped[bool]
    findings: Mapped[list[Any]] = mapped_column(default=list)
    """`Finding`s as JSON objects."""
    document: Mapped[dict[str, Any]] = mapped_column(deferred=True)
    """The description in the Atlassian Document Format."""


async def latest_validation(db: AsyncSession, session_id: UUID) -> Validation | None:
    """The newest verdict on the session, if there is one."""
    return await db.scalar(
        select(Validation)
        .where(Validation.session_id == session_id)
        .order_by(Validation.created_at.desc(), Validation.id.desc())
        .limit(1)
    )


async def valid_verdict(db: AsyncSession, session: WorkSession) -> Validation | None:
    """The newest verdict, if it passed and no ticket has changed since; else None."""
    verdict = await latest_validation(db, session.id)
    if verdict is None or not verdict.passed:
        return None
    return verdict if verdict.content_revision == session.content_revision else None


async def ticket_results(
    db: AsyncSession,
    validation_id: UUID,
    *,
    passed: bool | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[TicketValidation]:
    """The result of every ticket under one verdict, or of those that did or did not pass.

    Without the documents.
    """
    query = select(TicketValidation).where(TicketValidation.validation_id == validation_id)
    if passed is not None:
        query = query.where(TicketValidation.passed.is_(passed))
    query = query.order_by(TicketValidation.ticket_id).limit(limit).offset(offset)
    return list(await db.scalars(query))


async def read_documents(db: AsyncSession, validation_id: UUID) -> dict[UUID, dict[str, Any]]:
    """Ticket id → document, as validated."""
    rows = await db.execute(
        select(TicketValidation.ticket_id, TicketValidation.document).where(
            TicketValidation.validation_id == validation_id
        )
    )
    return dict(rows.all())


async def count_warnings(db: AsyncSession, validation_id: UUID) -> int:
    """How many findings of one verdict are warnings."""
    warnings = func.jsonb_path_query_array(
        TicketValidation.findings, cast('$[*] ? (@.severity == "warning")', JSONPATH)
    )
    counted = select(func.sum(func.jsonb_array_length(warnings)))
    return int(await db.scalar(counted.where(TicketValidation.validation_id == validation_id)) or 0)


async def delete_validations(db: AsyncSession, session_id: UUID) -> None:
    """Remove every verdict on the session, with the results of the tickets."""
    await db.execute(delete(Validation).where(Validation.session_id == session_id))
