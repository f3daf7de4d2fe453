"""How much work waits, and for how long: whether anybody takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.task_runs import RunState, TaskRun

__all__ = ["Backlog", "count_backlog"]


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The runs that nobody has in hand, at one moment."""

    due: int
    """Queued, and free to be started by now."""
    oldest: timedelta
    """How long the oldest of them has been free to be started; zero if there is none."""
    parked: int


async def count_backlog(db: AsyncSession) -> Backlog:
    """Count what waits; runs that wait for the time of their retry are not due."""
    now = func.clock_timestamp()
    is_due = (TaskRun.state == RunState.QUEUED) & (TaskRun.available_at <= now)
    row = (
        await db.execute(
            select(
                func.count().filter(is_due).label("due"),
                (now - func.min(TaskRun.available_at).filter(is_due)).label("oldest"),
                func.count().filter(TaskRun.state == RunState.PARKED).label("parked"),
            ).where(TaskRun.state.in_([RunState.QUEUED, RunState.PARKED]))
        )
    ).one()
    return Backlog(due=row.due, oldest=row.oldest or timedelta(0), parked=row.parked)
