"""Attempts: every claim of a run, the lease it was held under, and how it ended.

An open attempt *is* the lease: the worker that holds the run pushes `lease_expires_at` on, and an
attempt whose lease has run out may be taken away. The row is its own and not the run's, so that a
renewal never waits for a lock that the work holds on the run.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, words

__all__ = [
    "AttemptOutcome",
    "RunAttempt",
    "close_attempt",
    "expired_attempts",
    "list_attempts",
    "lock_expired_attempt",
    "open_attempt",
    "open_attempts_of",
    "renew_leases",
]


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """It failed, and the run with it."""
    RETRIED = "retried"
    """It failed, and the run is tried again: the only outcome that spends a try."""
    CANCELLED = "cancelled"
    HANDED_BACK = "handed_back"
    """Its worker was told to stop, or could not reach the database, and gave the run back."""
    PARKED = "parked"
    """Its worker could not read the payload."""
    LOST = "lost"
    """Its worker was heard of no more; the lease ran out."""


class RunAttempt(Base):
    """One claim of a run by a worker process."""

    __tablename__ = "run_attempts"
    __table_args__ = (
        Index("ix_run_attempts_open", "worker_id", postgresql_where=text("ended_at IS NULL")),
        Index("ix_run_attempts_parked", "run_id", postgresql_where=text("outcome = 'parked'")),
    )

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[UUID]
    worker: Mapped[str] = mapped_column(String(300))
    """`host:pid`, for people: the row of the worker is gone when they ask."""
    alone: Mapped[bool] = mapped_column(default=False)
    """Whether the worker held no other run meanwhile; only a death alone proves poison."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    lease_expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None] = mapped_column(words(AttemptOutcome))
    error: Mapped[dict[str, Any] | None]
    """The failure, as in the run: `error_id`, `code`, `user_message`, …"""


async def open_attempt(
    db: AsyncSession,
    *,
    run_id: UUID,
    attempt: int,
    worker_id: UUID,
    worker: str,
    alone: bool,
    lease: timedelta,
) -> RunAttempt:
    """Begin an attempt with a whole lease; the run's row is locked by its claim."""
    opened = RunAttempt(
        run_id=run_id,
        attempt=attempt,
        worker_id=worker_id,
        worker=worker[:300],
        alone=alone,
        lease_expires_at=func.clock_timestamp() + lease,
    )
    db.add(opened)
    await db.flush()
    return opened


async def close_attempt(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    *,
    outcome: AttemptOutcome,
    error: dict[str, Any] | None = None,
) -> None:
    """End an attempt; the run's row is locked by its settling."""
    await db.execute(
        update(RunAttempt)
        .where(RunAttempt.run_id == run_id, RunAttempt.attempt == attempt)
        .values(ended_at=func.clock_timestamp(), outcome=outcome, error=error)
        .execution_options(synchronize_session=False)
    )


async def renew_leases(
    db: AsyncSession, *, worker_id: UUID, held: Collection[tuple[UUID, int]], lease: timedelta
) -> set[tuple[UUID, int]]:
    """Push the leases of these attempts on; those that are still this worker's.

    `held` and the answer are pairs of run id and attempt. A lease that has run out and was not
    taken away yet is renewed too: nobody else has the run. One whose row is locked is left out:
    it is being settled or rescued, and the others shall not wait for that.
    """
    if not held:
        return set()
    free = (
        select(RunAttempt.run_id, RunAttempt.attempt)
        .where(
            RunAttempt.worker_id == worker_id,
            RunAttempt.ended_at.is_(None),
            tuple_(RunAttempt.run_id, RunAttempt.attempt).in_(list(held)),
        )
        .with_for_update(skip_locked=True)
    )
    rows = await db.execute(
        update(RunAttempt)
        .where(tuple_(RunAttempt.run_id, RunAttempt.attempt).in_(free))
        .values(lease_expires_at=func.clock_timestamp() + lease)
        .returning(RunAttempt.run_id, RunAttempt.attempt)
        .execution_options(synchronize_session=False)
    )
    return {(row.run_id, row.attempt) for row in rows}


async def open_attempts_of(db: AsyncSession, worker_id: UUID) -> set[tuple[UUID, int]]:
    """Run id and attempt of what the worker holds, as far as anybody has committed otherwise."""
    rows = await db.execute(
        select(RunAttempt.run_id, RunAttempt.attempt).where(
            RunAttempt.worker_id == worker_id, RunAttempt.ended_at.is_(None)
        )
    )
    return {(row.run_id, row.attempt) for row in rows}


async def expired_attempts(db: AsyncSession, *, limit: int) -> list[tuple[UUID, int]]:
    """Run id and attempt of open attempts whose lease has run out, the longest dead first."""
    rows = await db.execute(
        select(RunAttempt.run_id, RunAttempt.attempt)
        .where(
            RunAttempt.ended_at.is_(None),
            RunAttempt.lease_expires_at < func.clock_timestamp(),
        )
        .order_by(RunAttempt.lease_expires_at)
        .limit(limit)
    )
    return [(row.run_id, row.attempt) for row in rows]


async def lock_expired_attempt(db: AsyncSession, run_id: UUID, attempt: int) -> RunAttempt | None:
    """The attempt, locked, if it is still open and its lease has still run out.

    None also if somebody else has locked it: a renewal, perhaps of a worker that stands still.
    The caller holds the run's row, so that run and attempt are locked in one order everywhere.
    """
    return await db.scalar(
        select(RunAttempt)
        .where(
            RunAttempt.run_id == run_id,
            RunAttempt.attempt == attempt,
            RunAttempt.ended_at.is_(None),
            RunAttempt.lease_expires_at < func.clock_timestamp(),
        )
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )


async def list_attempts(db: AsyncSession, run_id: UUID) -> list[RunAttempt]:
    """Every attempt of a run, the first first."""
    return list(
        await db.scalars(
            select(RunAttempt)
            .where(RunAttempt.run_id == run_id)
            .order_by(RunAttempt.attempt)
            .execution_options(populate_existing=True)
        )
    )
