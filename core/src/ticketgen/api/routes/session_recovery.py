"""Sessions that can be gone on with: where they stand, what failed, and what can be done next.

However many sessions are listed, it is the same few statements.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import CurrentUser, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.api.paging import Limit, Offset
from ticketgen.api.routes import session_examples
from ticketgen.api.routes.session_ending import CountsView
from ticketgen.api.routes.session_errors import FailureView
from ticketgen.api.routes.session_steps import NextStep, next_steps
from ticketgen.domain import recovery, sessions
from ticketgen.domain.failures import LastFailure
from ticketgen.domain.recovery import Recoverable
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.plugin import Task
from ticketgen.provides import SessionRetention
from ticketgen.registry import Registry

__all__ = ["router", "shortest_retention"]

_log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/sessions", tags=["sessions"])


class RunAtWork(BaseModel):
    """A run that has not ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.RUN_AT_WORK]})

    task_id: UUID
    task_type: str
    state: RunState
    progress_percentage: float | None = Field(description="0 to 100, as last stored.")
    current_stage: str | None
    created_at: datetime


class LastFailureView(FailureView):
    """The newest failure of a session, and whether it is of the past."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [session_examples.RECOVERABLE["last_failure"]]}
    )

    overcome: bool = Field(description="Whether the same task has completed since.")


class RecoverableSession(BaseModel):
    """A session that can be gone on with."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.RECOVERABLE]})

    id: UUID
    name: str
    stage: Stage
    last_activity: datetime
    expires_at: datetime | None = Field(
        description="Deleted soon after, unless somebody works on it, or something is at work in "
        "it; null: it is kept."
    )
    counts: CountsView
    active_runs: list[RunAtWork]
    last_failure: LastFailureView | None
    next_steps: list[NextStep] = Field(description="What can be done now, the likeliest first.")


@router.get("/recoverable", responses=problem_responses())
async def list_recoverable(
    work: Work, user: CurrentUser, runtime: HostRuntime, limit: Limit = 100, offset: Offset = 0
) -> list[RecoverableSession]:
    """List the caller's own sessions that are neither completed nor expired, the latest first."""
    retention = shortest_retention(runtime.registry)
    found = await sessions.list_recoverable(
        work.db, owner_id=user.id, retention=retention, limit=limit, offset=offset
    )
    tasks = [runtime.registry.tasks[name].task for name in runtime.registry.served]
    return [_view(item, retention, tasks) for item in await recovery.recoverable(work.db, found)]


def shortest_retention(registry: Registry) -> timedelta | None:
    """For how long untouched sessions are kept; None if no plugin in use deletes them."""
    periods = []
    for plugin, kept in registry.owned(SessionRetention):
        try:
            period = kept.period(registry.settings_of(plugin))
            periods.append(timedelta(seconds=period.total_seconds()))
        except Exception:
            _log.exception("retention_unknown", plugin=plugin, name=kept.name)
    return min(periods, default=None)


def _view(
    item: Recoverable, retention: timedelta | None, tasks: list[Task[Any, Any]]
) -> RecoverableSession:
    session = item.session
    return RecoverableSession(
        id=session.id,
        name=session.name,
        stage=session.stage,
        last_activity=item.last_activity,
        expires_at=None if retention is None else item.last_activity + retention,
        counts=CountsView.model_validate(item.counts),
        active_runs=[_run(run) for run in item.active],
        last_failure=_failure(item.last_failure) if item.last_failure else None,
        next_steps=next_steps(item, tasks),
    )


def _run(run: TaskRun) -> RunAtWork:
    progress = run.progress or {}
    return RunAtWork(
        task_id=run.id,
        task_type=run.task_type,
        state=run.state,
        progress_percentage=progress.get("percentage"),
        current_stage=progress.get("stage"),
        created_at=run.created_at,
    )


def _failure(last: LastFailure) -> LastFailureView:
    failure = FailureView.model_validate(last.failure)
    return LastFailureView(**failure.model_dump(), overcome=last.overcome)
