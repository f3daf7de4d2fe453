"""Runs that have to be handed to the queue again: never delivered, or lost with their worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.task_runs import RunState, TaskRun

__all__ = [
    "next_delivery",
    "requeue_dropped_runs",
    "requeue_runs_of_dead_workers",
    "undelivered_runs",
]

_CLAIM_MARGIN = timedelta(seconds=10)
"""So long a worker may need between the commit of a claim and knowing of it."""


async def requeue_runs_of_dead_workers(
    db: AsyncSession, *, live_workers: Sequence[UUID]
) -> list[TaskRun]:
    """Running → queued for every run whose worker no longer lives; no try is spent."""
    return await _requeue(db, TaskRun.worker_id.not_in(live_workers))


async def requeue_dropped_runs(
    db: AsyncSession, *, worker_id: UUID, held: Sequence[UUID]
) -> list[TaskRun]:
    """Running → queued for a worker's runs that it does not hold, claimed a while ago."""
    return await _requeue(
        db,
        TaskRun.worker_id == worker_id,
        TaskRun.id.not_in(held),
        TaskRun.started_at < func.clock_timestamp() - _CLAIM_MARGIN,
    )


async def _requeue(db: AsyncSession, *which: ColumnElement[bool]) -> list[TaskRun]:
    """Raising the attempt is left to the next claim; the state alone shuts the dead one out."""
    return list(
        await db.scalars(
            update(TaskRun)
            .where(TaskRun.state == RunState.RUNNING, *which)
            .values(
                state=RunState.QUEUED,
                worker_id=None,
                rescues=TaskRun.rescues + 1,
                tries=TaskRun.tries - 1,
                available_at=func.clock_timestamp(),
                delivery=TaskRun.delivery + 1,
            )
            .returning(TaskRun)
            .execution_options(populate_existing=True)
        )
    )


async def undelivered_runs(
    db: AsyncSession, *, task_types: Collection[str], overdue: timedelta, limit: int = 500
) -> list[TaskRun]:
    """Queued runs of these types that should have been claimed `overdue` ago, the oldest first.

    Others are left out here and not later, where they would use up the limit for ever.
    """
    return list(
        await db.scalars(
            select(TaskRun)
            .where(
                TaskRun.state == RunState.QUEUED,
                TaskRun.task_type.in_(task_types),
                TaskRun.available_at < func.clock_timestamp() - overdue,
            )
            .order_by(TaskRun.available_at)
            .limit(limit)
        )
    )


async def next_delivery(db: AsyncSession, run_id: UUID, *, after: int) -> int | None:
    """Count one more delivery of a queued run.

    None if it is queued no longer, or somebody has made another delivery since number `after`.
    """
    return await db.scalar(
        update(TaskRun)
        .where(TaskRun.id == run_id, TaskRun.state == RunState.QUEUED, TaskRun.delivery == after)
        .values(delivery=TaskRun.delivery + 1)
        .returning(TaskRun.delivery)
        .execution_options(synchronize_session=False)
    )
