"""Runs: any one by its id, those of a session, and what may be done to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response, WebSocket
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
from ticketgen.api.polling import PollLimit, tagged_answer
from ticketgen.api.streaming.events import EVENT_STREAM, events_of_run
from ticketgen.api.streaming.websocket import stream_run
from ticketgen.domain import run_access, run_attempts, sessions, task_runs
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import PermissionDeniedError
from ticketgen.plugin import Caller

__all__ = [
    "EVENTS",
    "POLLED",
    "STREAM_PARAMETERS",
    "AttemptView",
    "Polls",
    "RunView",
    "router",
    "view_attempt",
    "view_run",
]

router = APIRouter(tags=["runs"])


POLLED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing has changed."}}
"""What a polled answer may be besides, for its description."""

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events with `event` (the message's type), `id` (its position) and `data`.",
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    },
    204: {"description": "The client has seen the ending; there is no more."},
}
"""What a stream of events answers, for its description."""

STREAM_PARAMETERS = {
    "parameters": [
        {
            "name": name,
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": text,
        }
        for name, text in (
            ("after", "Position of the last message seen; `Last-Event-ID` goes before it."),
            ("pass", "A stream pass, instead of the header `Authorization`."),
        )
    ]
}
"""What a stream's address may hold, for its description."""


async def _poll_limit(request: Request) -> PollLimit:
    limit: PollLimit = request.app.state.poll_limit
    return limit


Polls = Annotated[PollLimit, Depends(_poll_limit)]
"""How often each caller has asked."""


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


@router.get(
    "/api/runs/{task_id}",
    response_model=RunView,
    responses={**problem_responses(403, 404, 429), **POLLED},
)
async def get_run(run: VisibleRun, user: CurrentUser, request: Request, polls: Polls) -> Response:
    """Show one run.

    Send the `ETag` of the last answer as `If-None-Match`, and 304 says that nothing has changed.
    Ask every 2 s at most: 60 questions without a pause are let pass, then 429 says when to come
    back.
    """
    polls.spend(user.id, str(run.id))
    return tagged_answer(request, view_run(run))


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


@router.get(
    "/api/runs/{task_id}/events",
    response_class=Response,
    responses={**problem_responses(403, 404, 422), **EVENTS},
    openapi_extra=STREAM_PARAMETERS,
)
async def run_events(
    request: Request, task_id: Annotated[UUID, Path(description="The run's id.")]
) -> Response:
    """Follow one run as server-sent events, to its ending.

    A browser that comes back goes on after the last event it has seen; 204 says that it has seen
    the ending.
    """
    return await events_of_run(request, run_id=task_id)


@router.get("/api/sessions/{session_id}/runs", responses=problem_responses(403, 404))
async def list_runs(session: OwnedSession, work: Work) -> list[RunView]:
    """List the session's runs, newest first."""
    return [view_run(run) for run in await task_runs.list_runs(work.db, session_id=session.id)]
