"""How much work waits, for how long, and what becomes of it: whether anybody takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import statement_time
from ticketgen.domain.task_runs import ACTIVE_STATES, RunState, TaskRun

__all__ = ["COUNTED", "Backlog", "count_active_runs", "count_backlog", "count_settled_runs"]


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
    now = statement_time()
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


async def count_active_runs(
    db: AsyncSession, *, plugin: str | None = None
) -> dict[tuple[str, ...], float]:
    """How many runs of each task type, or of one plugin's, are in each active state.

    Of all at most `COUNTED`.
    """
    query = select(TaskRun.task_type, TaskRun.state).where(TaskRun.state.in_(ACTIVE_STATES))
    if plugin is not None:
        query = query.where(
            or_(
                TaskRun.task_type == plugin,
                TaskRun.task_type.startswith(f"{plugin}.", autoescape=True),
            )
        )
    return await _counted(db, query.limit(COUNTED))


async def count_settled_runs(
    db: AsyncSession, *, within: timedelta
) -> dict[tuple[str, ...], float]:
    """The same for runs that were stored within that time and have ended.

    By when they were stored, not when they ended: that is what an index knows.
    """
    return await _counted(
        db,
        select(TaskRun.task_type, TaskRun.state)
        .where(
            TaskRun.created_at > statement_time() - within,
            TaskRun.state.not_in(ACTIVE_STATES),
        )
        .order_by(TaskRun.created_at.desc())
        .limit(COUNTED),
    )


async def _counted(db: AsyncSession, runs: Select[str, RunState]) -> dict[tuple[str, ...], float]:
    found = runs.subquery()
    rows = await db.execute(
        select(found.c.task_type, found.c.state, func.count()).group_by(
            found.c.task_type, found.c.state
        )
    )
    return {(task_type, str(state)): count for task_type, state, count in rows}
