"""Failures: what went wrong for whom, kept as rows so that people and operators can act."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    Uuid,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from ticketgen.database import Base, new_id, words
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import ErrorCategory, TicketgenError
from ticketgen.storable import storable, storable_text

__all__ = [
    "Failure",
    "FailureFilter",
    "FailureGroup",
    "LastFailure",
    "count_failures",
    "error_of",
    "failure_from",
    "failures_after",
    "failures_of_run",
    "group_failures",
    "last_failures",
    "list_failures",
    "record_failure",
]


class Failure(Base):
    """One failure of a run or of a request; its id is the error id a person can quote."""

    __tablename__ = "session_errors"
    __table_args__ = (
        Index("ix_session_errors_session_id_created_at_id", "session_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
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


@dataclass(frozen=True, kw_only=True)
class FailureFilter:
    """Which failures of a session are meant; what is None is left open."""

    category: ErrorCategory | None = None
    severity: str | None = None
    code: str | None = None
    task_id: UUID | None = None

    def conditions(self, session_id: UUID) -> list[ColumnElement[bool]]:
        """The same, for a statement."""
        asked: tuple[tuple[Any, Any], ...] = (
            (Failure.error_category, self.category),
            (Failure.severity, self.severity),
            (Failure.code, self.code),
            (Failure.task_id, self.task_id),
        )
        return [
            Failure.session_id == session_id,
            *(column == value for column, value in asked if value is not None),
        ]


_ALL = FailureFilter()


async def list_failures(
    db: AsyncSession,
    *,
    session_id: UUID,
    only: FailureFilter = _ALL,
    limit: int = 100,
    offset: int = 0,
) -> list[Failure]:
    """The failures of a session, newest first."""
    return list(
        await db.scalars(
            select(Failure)
            .where(*only.conditions(session_id))
            .order_by(Failure.created_at.desc(), Failure.id.desc())
            .limit(limit)
            .offset(offset)
        )
    )


async def count_failures(db: AsyncSession, *, session_id: UUID, only: FailureFilter = _ALL) -> int:
    """How many failures `list_failures` would give without a limit."""
    query = select(func.count()).select_from(Failure)
    return int(await db.scalar(query.where(*only.conditions(session_id))) or 0)


async def failures_after(
    db: AsyncSession,
    last: Failure | None,
    *,
    session_id: UUID,
    only: FailureFilter = _ALL,
    limit: int,
) -> list[Failure]:
    """The next failures of a session after one of them, oldest first; from the first for None."""
    query = select(Failure).where(*only.conditions(session_id))
    if last is not None:
        query = query.where(
            tuple_(Failure.created_at, Failure.id) > tuple_(last.created_at, last.id)
        )
    return list(await db.scalars(query.order_by(Failure.created_at, Failure.id).limit(limit)))


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """All failures of a session that have one code and one category."""

    code: str
    category: ErrorCategory
    count: int
    blocking: int
    """How many of them ended what they happened to; the others were tried again."""
    stages: tuple[str, ...]
    """Task types, or requests, in which they happened."""
    first_at: datetime
    last_at: datetime
    message: str
    """Of the last one, like the recovery actions."""
    recovery_actions: tuple[str, ...]


async def group_failures(
    db: AsyncSession, *, session_id: UUID, only: FailureFilter = _ALL
) -> list[FailureGroup]:
    """The failures of a session by code and category, the group with the newest first."""
    newest = Failure.created_at.desc()
    last_at = func.max(Failure.created_at)
    rows = await db.execute(
        select(
            Failure.code,
            Failure.error_category,
            func.count(),
            func.count().filter(Failure.severity == "blocking"),
            func.array_agg(Failure.operation_stage.distinct()),
            func.min(Failure.created_at),
            last_at,
            func.array_agg(aggregate_order_by(Failure.user_message, newest))[1],
            func.array_agg(aggregate_order_by(Failure.recovery_actions, newest))[1],
        )
        .where(*only.conditions(session_id))
        .group_by(Failure.code, Failure.error_category)
        .order_by(last_at.desc(), Failure.code)
    )
    return [
        FailureGroup(
            code=code,
            category=category,
            count=count,
            blocking=blocking,
            stages=tuple(stages),
            first_at=first_at,
            last_at=last,
            message=message,
            recovery_actions=tuple(actions),
        )
        for code, category, count, blocking, stages, first_at, last, message, actions in rows
    ]


@dataclass(frozen=True, kw_only=True)
class LastFailure:
    """The newest failure of a session, and what became of it."""

    failure: Failure
    run: TaskRun | None
    """The run that failed, if one did."""
    overcome: bool
    """Whether the same kind of task has completed since."""
    superseded: bool
    """Whether a newer run of the kind was started since."""


async def last_failures(db: AsyncSession, session_ids: Collection[UUID]) -> dict[UUID, LastFailure]:
    """Session id → its newest failure, for those that have one; one statement for all."""
    # First the newest of each, looked up one by one, then what is told of those few.
    asked = func.unnest(literal(list(session_ids), ARRAY(Uuid)))
    wanted = asked.table_valued("session_id").render_derived("wanted")
    newest = (
        select(Failure)
        .where(Failure.session_id == wanted.c.session_id)
        .order_by(Failure.created_at.desc(), Failure.id.desc())
        .limit(1)
        .lateral()
    )
    last, later = aliased(Failure, newest), aliased(TaskRun)
    same_kind = (later.session_id == last.session_id, later.task_type == last.operation_stage)
    overcome = select(later.id).where(
        *same_kind, later.state == RunState.COMPLETED, later.finished_at > last.created_at
    )
    superseded = select(later.id).where(*same_kind, later.created_at > last.created_at)
    rows = await db.execute(
        select(last, TaskRun, overcome.exists(), superseded.exists())
        .select_from(wanted)
        .join(newest, true())
        .outerjoin(TaskRun, TaskRun.id == last.task_id)
    )
    return {
        failure.session_id: LastFailure(
            failure=failure, run=run, overcome=past, superseded=followed
        )
        for failure, run, past, followed in rows
        if failure.session_id is not None
    }


async def failures_of_run(db: AsyncSession, run_id: UUID) -> list[Failure]:
    """The failures of a run's attempts, the first first."""
    return list(
        await db.scalars(
            select(Failure)
            .where(Failure.task_id == run_id)
            .order_by(Failure.created_at, Failure.id)
        )
    )
