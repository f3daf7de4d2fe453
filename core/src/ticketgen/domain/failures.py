"""Failures: what went wrong for whom, kept as rows so that people and operators can act."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, words
from ticketgen.errors import ErrorCategory, TicketgenError
from ticketgen.storable import storable, storable_text

__all__ = [
    "Failure",
    "error_of",
    "failure_from",
    "failures_of_run",
    "list_failures",
    "record_failure",
]


class Failure(Base):
    """One failure of a run or of a request; its id is the error id a person can quote."""

    __tablename__ = "session_errors"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    task_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="CASCADE"), index=True
    )
    attempt: Mapped[int | None]
    error_category: Mapped[ErrorCategory] = mapped_column(words(ErrorCategory))
    severity: Mapped[str] = mapped_column(String(20))
    """`blocking` when nothing more happens by itself, `transient` when it is tried again."""
    operation_stage: Mapped[str] = mapped_column(String(100))
    """The task type, or `METHOD /path` of the request."""
    code: Mapped[str] = mapped_column(String(100))
    user_message: Mapped[str] = mapped_column(Text)
    recovery_actions: Mapped[list[Any]] = mapped_column(default=list)
    technical_details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


async def record_failure(
    db: AsyncSession,
    error: TicketgenError,
    *,
    operation_stage: str,
    severity: str = "blocking",
    session_id: UUID | None = None,
    task_id: UUID | None = None,
    attempt: int | None = None,
) -> Failure:
    """Store an error as a row of the caller's transaction, whatever characters are in it."""
    failure = failure_from(
        error,
        operation_stage=operation_stage,
        severity=severity,
        session_id=session_id,
        task_id=task_id,
        attempt=attempt,
    )
    db.add(failure)
    await db.flush()
    return failure


def failure_from(
    error: TicketgenError,
    *,
    operation_stage: str,
    severity: str = "blocking",
    session_id: UUID | None = None,
    task_id: UUID | None = None,
    attempt: int | None = None,
) -> Failure:
    """The row for an error, in no transaction yet; characters that no row can hold are replaced."""
    return Failure(
        id=new_id(),
        session_id=session_id,
        task_id=task_id,
        attempt=attempt,
        error_category=error.category,
        severity=severity,
        operation_stage=operation_stage[:100],
        code=storable_text(error.code)[:100],
        user_message=storable_text(error.message),
        recovery_actions=storable(error.recovery_actions),
        technical_details=storable(error.technical_details),
    )


def error_of(failure: Failure) -> dict[str, Any]:
    """What the row of a run, and whoever asks for the run, says of its failure."""
    return {
        "error_id": str(failure.id),
        "error_category": str(failure.error_category),
        "code": failure.code,
        "user_message": failure.user_message,
        "recovery_actions": failure.recovery_actions,
    }


async def list_failures(
    db: AsyncSession, *, session_id: UUID, limit: int = 100, offset: int = 0
) -> list[Failure]:
    """The failures of a session, newest first."""
    return list(
        await db.scalars(
            select(Failure)
            .where(Failure.session_id == session_id)
            .order_by(Failure.created_at.desc(), Failure.id.desc())
            .limit(limit)
            .offset(offset)
        )
    )


async def failures_of_run(db: AsyncSession, run_id: UUID) -> list[Failure]:
    """The failures of a run's attempts, the first first."""
    return list(
        await db.scalars(
            select(Failure)
            .where(Failure.task_id == run_id)
            .order_by(Failure.created_at, Failure.id)
        )
    )
