"""Which runs a person may see, and end: those they started, and those of their sessions."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User

__all__ = ["may_see_run", "seen_by"]


def seen_by(user: User) -> ColumnElement[bool] | None:
    """The condition on `TaskRun` that holds for what the user may see; None: all of them."""
    if user.is_admin:
        return None
    # Two looks into two indexes: with OR in their place every run would be looked at.
    run = aliased(TaskRun)
    own = select(WorkSession.id).where(WorkSession.owner_id == user.id)
    return TaskRun.id.in_(
        union_all(
            select(run.id).where(run.requested_by == user.id),
            select(run.id).where(run.session_id.in_(own)),
        )
    )


async def may_see_run(db: AsyncSession, run: TaskRun, user: User) -> bool:
    """Whether it is one of theirs; administrators may see every run."""
    condition = seen_by(user)
    if condition is None:
        return True
    return await db.scalar(select(TaskRun.id).where(TaskRun.id == run.id, condition)) is not None
