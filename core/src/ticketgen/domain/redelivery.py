"""Which runs the reconciler has to look after: undelivered ones, and those nobody can run."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import statement_time
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.workers import WorkerProcess

__all__ = ["UNREADABLE", "next_delivery", "parkable_runs", "resumable_runs", "undelivered_runs"]

UNREADABLE = "unreadable_payload"
"""Code of the reason to park a run that a worker offers to run, but cannot read."""


async def undelivered_runs(
    db: AsyncSession,
    *,
    task_types: Collection[str],
    overdue: timedelta,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 500,
) -> list[TaskRun]:
    """Queued runs of these types that should have been claimed `overdue` ago, the oldest first.

    `after` is `available_at` and id of the run to go on behind. Runs of other types are left out
    here and not later, where they would use up the limit for ever.
    """
    query = select(TaskRun).where(
        TaskRun.state == RunState.QUEUED,
        TaskRun.task_type.in_(task_types),
        TaskRun.available_at < statement_time() - overdue,
    )
    if after is not None:
        query = query.where(tuple_(TaskRun.available_at, TaskRun.id) > tuple_(*after))
    return list(await db.scalars(query.order_by(TaskRun.available_at, TaskRun.id).limit(limit)))


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


def _served(*, within: timedelta) -> Select[tuple[str]]:
    """The task types that workers offer which were alive lately."""
    since = func.clock_timestamp() - within
    return select(func.jsonb_array_elements_text(WorkerProcess.task_types)).where(
        or_(
            and_(WorkerProcess.stopped_at.is_(None), WorkerProcess.last_seen_at > since),
            WorkerProcess.stopped_at > since,
        )
    )


async def parkable_runs(db: AsyncSession, *, waiting: timedelta, limit: int = 500) -> list[TaskRun]:
    """Queued runs, due for so long, whose type no worker has offered in that time."""
    return list(
        await db.scalars(
            select(TaskRun)
            .where(
                TaskRun.state == RunState.QUEUED,
                TaskRun.available_at < statement_time() - waiting,
                # Read once, not for each run: a long backlog is looked through at every look.
                TaskRun.task_type.not_in(_served(within=waiting)),
            )
            .order_by(TaskRun.available_at)
            .limit(limit)
        )
    )


async def resumable_runs(db: AsyncSession, *, expiry: timedelta, limit: int = 500) -> list[TaskRun]:
    """Parked runs that a live worker offers to run.

    One that was parked because its payload could not be read waits for another version of the
    plugin than those that could not read it.
    """
    plugin = func.split_part(TaskRun.task_type, ".", 1)
    tried_in_vain = exists().where(
        RunAttempt.run_id == TaskRun.id,
        RunAttempt.outcome == AttemptOutcome.PARKED,
        RunAttempt.error["version"].astext == WorkerProcess.plugins.op("->>")(plugin),
    )
    able = exists().where(
        WorkerProcess.stopped_at.is_(None),
        WorkerProcess.last_seen_at > func.clock_timestamp() - expiry,
        WorkerProcess.task_types.contains(func.to_jsonb(TaskRun.task_type)),
        or_(
            TaskRun.parked["code"].astext != UNREADABLE,
            ~tried_in_vain,
        ),
    )
    return list(
        await db.scalars(
            select(TaskRun)
            .where(TaskRun.state == RunState.PARKED, able)
            .order_by(TaskRun.available_at)
            .limit(limit)
        )
    )
