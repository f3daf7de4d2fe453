"""What went wrong in a session: listed, grouped by what it is, and as a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.csv_answers import csv_answer
from ticketgen.api.deps import OwnedSession, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.api.paging import Limit, Offset, tell_total, told_total
from ticketgen.api.routes import session_examples
from ticketgen.database import connected_session
from ticketgen.domain import failures, recovery
from ticketgen.domain.failures import Failure, FailureFilter, FailureGroup
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import ErrorCategory
from ticketgen.runtime import Runtime

__all__ = ["FailureView", "router"]

router = APIRouter(prefix="/api/sessions/{session_id}/errors", tags=["sessions"])

_PAGE = 500
"""Rows of the file that are read at once."""

_COLUMNS = (
    "error_id",
    "created_at",
    "error_category",
    "severity",
    "code",
    "operation_stage",
    "task_id",
    "attempt",
    "user_message",
    "recovery_actions",
)


class FailureView(BaseModel):
    """One failure of the session's runs."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.FAILURE]}
    )

    id: UUID
    task_id: UUID | None
    attempt: int | None
    error_category: ErrorCategory
    severity: str
    operation_stage: str
    code: str
    user_message: str
    recovery_actions: list[Any]
    created_at: datetime


class RetryingRun(BaseModel):
    """A run that failed so and is tried again by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.RETRYING]})

    task_id: UUID
    task_type: str
    state: RunState
    tries: int = Field(description="Tries so far.")
    next_try_at: datetime | None = Field(description="Null: it is being tried now.")


class FailureGroupView(BaseModel):
    """All failures of one code and category; message and actions are of the last."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.FAILURE_GROUP]})

    code: str
    error_category: ErrorCategory
    count: int
    blocking: int = Field(description="Of them, how many ended what they happened to.")
    operation_stages: list[str] = Field(description="Task types in which they happened.")
    first_at: datetime
    last_at: datetime
    user_message: str
    recovery_actions: list[Any]
    retrying: list[RetryingRun]


async def _only(
    category: Annotated[ErrorCategory | None, Query(description="Who can fix it.")] = None,
    severity: Annotated[
        Literal["blocking", "transient"] | None,
        Query(description="`transient` was, or is, tried again by itself."),
    ] = None,
    code: Annotated[str | None, Query(max_length=100, examples=["rate_limited"])] = None,
    task_id: Annotated[UUID | None, Query(description="Of this run only.")] = None,
) -> FailureFilter:
    return FailureFilter(category=category, severity=severity, code=code, task_id=task_id)


Only = Annotated[FailureFilter, Depends(_only)]


@router.get("", responses={**problem_responses(403, 404), **told_total()})
async def list_errors(
    session: OwnedSession,
    work: Work,
    only: Only,
    response: Response,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[FailureView]:
    """List what failed in the session, newest first; `X-Total-Count` says how much there is."""
    found = await failures.list_failures(
        work.db, session_id=session.id, only=only, limit=limit, offset=offset
    )
    tell_total(response, await failures.count_failures(work.db, session_id=session.id, only=only))
    return [FailureView.model_validate(failure) for failure in found]


@router.get("/groups", responses=problem_responses(403, 404))
async def group_errors(session: OwnedSession, work: Work, only: Only) -> list[FailureGroupView]:
    """Group what failed by code and category, and tell what is being tried again by itself."""
    groups = await failures.group_failures(work.db, session_id=session.id, only=only)
    active = (await recovery.active_runs_of(work.db, [session.id]))[session.id]
    return [_view_group(group, active) for group in groups]


@router.get(
    "/export",
    responses={
        **problem_responses(403, 404),
        200: {"content": {"text/csv": {}}, "description": "All of them, oldest first."},
    },
    response_class=StreamingResponse,
)
async def export_errors(
    session: OwnedSession, only: Only, runtime: HostRuntime
) -> StreamingResponse:
    """Download everything that failed, oldest first, as CSV for a spreadsheet.

    A cell that a spreadsheet would run as a formula begins with an apostrophe.
    """
    return csv_answer(
        _rows(runtime, session.id, only), file_name=f"ticketgen-errors-{session.id}.csv"
    )


async def _rows(
    runtime: Runtime, session_id: UUID, only: FailureFilter
) -> AsyncIterator[Sequence[object]]:
    """A short transaction for each page: whoever reads may be slow."""
    yield _COLUMNS
    last: Failure | None = None
    while True:
        async with connected_session(runtime.session_factory) as db:
            page = await failures.failures_after(
                db, last, session_id=session_id, only=only, limit=_PAGE
            )
        for failure in page:
            yield _row(failure)
        if len(page) < _PAGE:
            return
        last = page[-1]


def _row(failure: Failure) -> Sequence[object]:
    return (
        failure.id,
        failure.created_at.isoformat(),
        failure.error_category,
        failure.severity,
        failure.code,
        failure.operation_stage,
        failure.task_id,
        failure.attempt,
        failure.user_message,
        "\n".join(str(action) for action in failure.recovery_actions),
    )


def _view_group(group: FailureGroup, active: Sequence[TaskRun]) -> FailureGroupView:
    return FailureGroupView(
        code=group.code,
        error_category=group.category,
        count=group.count,
        blocking=group.blocking,
        operation_stages=list(group.stages),
        first_at=group.first_at,
        last_at=group.last_at,
        user_message=group.message,
        recovery_actions=list(group.recovery_actions),
        retrying=[
            RetryingRun(
                task_id=run.id,
                task_type=run.task_type,
                state=run.state,
                tries=run.tries,
                next_try_at=run.available_at if run.state is RunState.QUEUED else None,
            )
            for run in active
            if _failed_so(run, group)
        ],
    )


def _failed_so(run: TaskRun, group: FailureGroup) -> bool:
    error = run.error or {}
    return (error.get("code"), error.get("error_category")) == (group.code, group.category)
