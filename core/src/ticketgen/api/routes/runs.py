"""Runs: any one by its id, and those of a session."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import (
    CurrentUser,
    OwnedSession,
    Work,
    problem_responses,
    refuse_foreign,
)
from ticketgen.domain import sessions, task_runs
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.users import User
from ticketgen.errors import PermissionDeniedError
from ticketgen.starting import UnitOfWork

__all__ = ["RunView", "require_run_access", "router", "view_run"]

router = APIRouter(tags=["runs"])


class RunView(BaseModel):
    """One run: where it stands and how it ended."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [examples.RUN]})

    task_id: UUID = Field(description="The run's id.")
    session_id: UUID | None
    task_type: str
    status: str = Field(
        description="not_started, processing (queued, running or parked), completed, failed, "
        "cancelled."
    )
    state: RunState
    progress_percentage: float | None = Field(description="0 to 100, as last stored.")
    current_stage: str | None
    attempt: int = Field(description="Claims so far.")
    tries: int = Field(description="Tries so far; shutdowns and rescues are not counted.")
    rescues: int
    retry_count: int = Field(description="Retries by hand before this run.")
    result_summary: dict[str, Any] | None
    error: dict[str, Any] | None = Field(
        description="The last failure, also of a run to be retried."
    )
    created_at: datetime
    available_at: datetime = Field(description="Not started before this time.")
    started_at: datetime | None
    finished_at: datetime | None


def view_run(run: TaskRun) -> RunView:
    """What the API says of a run."""
    progress = run.progress or {}
    completed = run.state is RunState.COMPLETED
    return RunView(
        task_id=run.id,
        progress_percentage=100.0 if completed else progress.get("percentage"),
        current_stage=progress.get("stage"),
        **{
            field: getattr(run, field)
            for field in RunView.model_fields
            if field not in {"task_id", "progress_percentage", "current_stage"}
        },
    )


async def require_run_access(work: UnitOfWork, run: TaskRun, user: User) -> None:
    """Let a run be seen by whoever may see its session, or started it, and by administrators.

    Raises:
        PermissionDeniedError: the caller is none of them.
    """
    if run.session_id is not None:
        refuse_foreign(await sessions.get_session(work.db, run.session_id), user)
    elif not user.is_admin and run.requested_by != user.id:
        raise PermissionDeniedError(
            "This run belongs to the system.", recovery_actions=["Ask an administrator."]
        )


@router.get("/api/runs/{task_id}", responses=problem_responses(403, 404))
async def get_run(task_id: UUID, work: Work, user: CurrentUser) -> RunView:
    """Show one run."""
    run = await task_runs.get_run(work.db, task_id)
    await require_run_access(work, run, user)
    return view_run(run)


@router.get("/api/sessions/{session_id}/runs", responses=problem_responses(403, 404))
async def list_runs(session: OwnedSession, work: Work) -> list[RunView]:
    """List the session's runs, newest first."""
    return [view_run(run) for run in await task_runs.list_runs(work.db, session_id=session.id)]
