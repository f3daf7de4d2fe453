"""Runs: any one by its id, those of a session, and what may be done to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, WebSocket
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import (
    Admin,
    CurrentUser,
    OwnedSession,
    TaskStarted,
    VisibleRun,
    Work,
    problem_responses,
    refuse_foreign,
    started_answer,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.websocket import stream_run
from ticketgen.domain import run_access, run_attempts, sessions, task_runs
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import PermissionDeniedError
from ticketgen.plugin import Caller

__all__ = ["AttemptView", "RunView", "router", "view_attempt", "view_run"]

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
    retry_of: UUID | None = Field(description="The run it tries again.")
    lineage_id: UUID = Field(description="The first run of the chain of retries by hand.")
    schedule: str | None = Field(description="The schedule that started it.")
    parked: dict[str, Any] | None = Field(
        description="Why nobody can run it at present: `code` and `message`, among others."
    )
    cancel_requested_at: datetime | None = Field(description="When it was asked to stop.")
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


class AttemptView(BaseModel):
    """One claim of a run by a worker, and how it ended."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ATTEMPT]})

    attempt: int = Field(description="Counts the claims from 1.")
    worker: str = Field(description="`host:pid`")
    alone: bool = Field(description="Whether the worker held no other run meanwhile.")
    started_at: datetime
    ended_at: datetime | None = Field(description="Null: it is at work.")
    lease_expires_at: datetime | None = Field(
        description="When the run is taken away from its worker, unless it says that it lives."
    )
    outcome: AttemptOutcome | None
    error: dict[str, Any] | None


def view_attempt(attempt: RunAttempt) -> AttemptView:
    """What the API says of an attempt; a lease that is over means nothing any more."""
    return AttemptView(
        attempt=attempt.attempt,
        worker=attempt.worker,
        alone=attempt.alone,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        lease_expires_at=None if attempt.ended_at else attempt.lease_expires_at,
        outcome=attempt.outcome,
        error=attempt.error,
    )


@router.get("/api/runs", responses=problem_responses(422))
async def list_all_runs(
    work: Work,
    user: CurrentUser,
    state: Annotated[list[RunState], Query(description="Only these; may be repeated.")] = [],  # noqa: B006 - FastAPI copies it
    task_type: Annotated[str | None, Query(max_length=100, examples=["processing"])] = None,
    session_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[RunView]:
    """List runs, newest first: those the caller started or of the caller's sessions.

    Administrators get all.
    """
    found = await task_runs.list_runs(
        work.db,
        among=run_access.seen_by(user),
        states=state,
        task_type=task_type,
        session_id=session_id,
        limit=limit,
        offset=offset,
    )
    return [view_run(run) for run in found]


@router.get("/api/runs/{task_id}", responses=problem_responses(403, 404))
async def get_run(run: VisibleRun) -> RunView:
    """Show one run."""
    return view_run(run)


@router.get("/api/runs/{task_id}/attempts", responses=problem_responses(403, 404))
async def list_run_attempts(run: VisibleRun, work: Work) -> list[AttemptView]:
    """List the attempts of a run, the first first."""
    return [view_attempt(found) for found in await run_attempts.list_attempts(work.db, run.id)]


@router.post(
    "/api/runs/{task_id}/cancel", status_code=202, responses=problem_responses(403, 404, 409)
)
async def cancel_run(run: VisibleRun, work: Work, user: CurrentUser) -> RunView:
    """End a run: one that waits at once, one at work as soon as its worker hears of it.

    That takes about a second; `cancel_requested_at` says that it was asked. Asking again is no
    error.
    """
    return view_run(await work.cancel(run.id, user=user))


@router.post(
    "/api/runs/{task_id}/retry", status_code=202, responses=problem_responses(403, 404, 409)
)
async def retry_run(
    run: VisibleRun, work: Work, user: CurrentUser, runtime: HostRuntime
) -> TaskStarted:
    """Try a failed or cancelled run again, as a new run that goes on where it stopped.

    At most three times. Whoever may start the task may do it.
    """
    if run.session_id is not None:
        refuse_foreign(await sessions.get_session(work.db, run.session_id), user)
    task = runtime.registry.task(run.task_type).task
    if task.startable_by is not Caller.OWNER and not user.is_admin:
        raise PermissionDeniedError(
            "Only administrators may start this task.", recovery_actions=["Ask one of them."]
        )
    return started_answer(await work.retry(run.id, user=user))


@router.post(
    "/api/runs/{task_id}/resume", status_code=202, responses=problem_responses(403, 404, 409)
)
async def resume_run(task_id: UUID, work: Work, admin: Admin) -> RunView:
    """Queue a parked run again now; it is parked anew if still nobody can run it."""
    return view_run(await work.resume(task_id, user=admin))


@router.websocket("/api/runs/{task_id}/progress")
async def run_progress(websocket: WebSocket, task_id: UUID) -> None:
    """Stream the progress of one run, whatever it is about."""
    await stream_run(websocket, run_id=task_id)


@router.get("/api/sessions/{session_id}/runs", responses=problem_responses(403, 404))
async def list_runs(session: OwnedSession, work: Work) -> list[RunView]:
    """List the session's runs, newest first."""
    return [view_run(run) for run in await task_runs.list_runs(work.db, session_id=session.id)]
