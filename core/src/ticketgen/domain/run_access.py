"""Which runs a person may see, and end: those they started, and those of their sessions."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User

__all__ = ["may_see_run", "seen_by"]


def seen_by(user: User) -> ColumnElement[bool] | None:
    """The condition on `TaskRun` that holds for what the user may see; None: all of them."""
    if user.is_admin:
        return None
    own = select(WorkSession.id).where(WorkSession.owner_id == user.id)
    return or_(TaskRun.requested_by == user.id, TaskRun.session_id.in_(own))


async def may_see_run(db: AsyncSession, run: TaskRun, user: User) -> bool:
    """Whether it is one of theirs; administrators may see every run."""
    condition = seen_by(user)
    if condition is None:
        return True
    return await db.scalar(select(TaskRun.id).where(TaskRun.id == run.id, condition)) is not None
