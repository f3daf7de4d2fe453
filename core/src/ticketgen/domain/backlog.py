"""How much work waits, and for how long: whether anybody takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.task_runs import RunState, TaskRun

__all__ = ["COUNTED", "Backlog", "count_backlog"]


COUNTED = 10_000
"""What is more is not counted: whoever asks wants to know soon."""


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The runs that nobody has in hand, at one moment."""

    due: int
    """Queued, and free to be started by now; counted as far as `COUNTED`."""
    oldest: timedelta
    """How long the oldest of them has been free to be started; zero if there is none."""
    parked: int


async def count_backlog(db: AsyncSession) -> Backlog:
    """Count what waits; runs that wait for the time of their retry are not due."""
    now = func.clock_timestamp()
    due = (
        select(TaskRun.available_at)
        .where(TaskRun.state == RunState.QUEUED, TaskRun.available_at <= now)
        .order_by(TaskRun.available_at)
        .limit(COUNTED)
        .subquery()
    )
    parked = select(TaskRun.id).where(TaskRun.state == RunState.PARKED).limit(COUNTED).subquery()
    row = (
        await db.execute(
            select(
                select(func.count()).select_from(due).scalar_subquery().label("due"),
                select(now - func.min(due.c.available_at)).scalar_subquery().label("oldest"),
                select(func.count()).select_from(parked).scalar_subquery().label("parked"),
            )
        )
    ).one()
    return Backlog(due=row.due, oldest=row.oldest or timedelta(0), parked=row.parked)
