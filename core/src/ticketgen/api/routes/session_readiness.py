"""Whether a session may be exported now, and every reason why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api.deps import OwnedSession, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.api.routes import session_examples
from ticketgen.domain import recovery, session_contents, sessions, validations
from ticketgen.domain.session_contents import ReviewCounts
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.validations import Validation
from ticketgen.errors import ConflictError
from ticketgen.findings import Blocker
from ticketgen.plugin import Exclusivity, StageMoves, Task
from ticketgen.registry import PluginUnavailableError, RegisteredTask, Registry

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["sessions"])


class UnreadyReason(BaseModel):
    """One thing that is in the way of an export, and what to do about it."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.UNREADY_REASON]})

    code: str
    message: str
    recovery_actions: list[str]
    plugin: str | None = Field(description="Whose gate is closed; null: the host's own reason.")


class ReadinessSummary(BaseModel):
    """What an export would be about."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.READINESS_SUMMARY]})

    tickets: int
    edited_tickets: int = Field(description="Of which a person has changed anything.")
    edited_since_validation: int
    oversize_tickets: int = Field(description="Too long for a description: sent as attachments.")
    tickets_with_notes: int = Field(description="With sentences about doubtful input.")
    validated_at: datetime | None
    validation_passed: bool | None
    failed_tickets: int = Field(description="That did not pass the last validation.")
    warnings: int = Field(description="Of the last validation.")


class ExportReadiness(BaseModel):
    """Whether a start of an export would be accepted, and all that is in its way."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.READINESS]})

    session_id: UUID
    ready: bool
    reasons: list[UnreadyReason] = Field(description="Empty exactly if it is ready.")
    summary: ReadinessSummary


@router.get("/export-readiness", responses=problem_responses(403, 404))
async def show_export_readiness(
    session: OwnedSession, work: Work, runtime: HostRuntime
) -> ExportReadiness:
    """Tell whether the session can be exported now; if not, every reason at once.

    The same is asked when an export is started. What only the target knows, such as a Jira that
    is away, it finds out by itself.
    """
    verdict = await validations.latest_validation(work.db, session.id)
    counted = await session_contents.review_counts(work.db, session.id, verdict)
    reasons = await _reasons(work.db, session, runtime.registry, verdict, counted)
    return ExportReadiness(
        session_id=session.id,
        ready=not reasons,
        reasons=reasons,
        summary=await _summary(work.db, verdict, counted),
    )


async def _reasons(
    db: AsyncSession,
    session: WorkSession,
    registry: Registry,
    verdict: Validation | None,
    counted: ReviewCounts,
) -> list[UnreadyReason]:
    export = _export_task(registry)
    active = (await recovery.active_runs_of(db, [session.id]))[session.id]
    gates = await registry.hooks.closed_gates(db, session)
    return [
        *_of_task(registry, export, session, active),
        *([] if counted.tickets else [_NO_TICKETS]),
        *(_of_gate(plugin, blocker) for plugin, blocker in gates),
        # An export needs the verdict itself; that it is not good its plugin's gate says better.
        *([] if gates else _of_verdict(session, verdict)),
    ]


def _export_task(registry: Registry) -> RegisteredTask | None:
    """The task whose good end completes a session; of several the first, by name, in use."""
    found = [
        item
        for _, item in sorted(registry.tasks.items())
        if item.task.stages is not None and item.task.stages.on_success is Stage.COMPLETED
    ]
    in_use = [item for item in found if registry.problem_of(item.plugin.name) is None]
    return next(iter(in_use or found), None)


def _of_task(
    registry: Registry,
    export: RegisteredTask | None,
    session: WorkSession,
    active: Sequence[TaskRun],
) -> list[UnreadyReason]:
    if export is None:
        return [_NO_EXPORT]
    reasons = []
    try:
        registry.require(export.plugin.name)
    except PluginUnavailableError as error:
        reasons.append(_reason(error.code, error.message, error.recovery_actions))
    reasons += [_at_work(run) for run in active if _in_the_way(run, export.task)]
    moves = export.task.stages or StageMoves(allowed=())
    try:
        sessions.require_stage(session, *moves.allowed, doing="An export")
    except ConflictError as error:
        reasons.append(_reason("stage", error.message, error.recovery_actions))
    return reasons


def _in_the_way(run: TaskRun, task: Task[Any, Any]) -> bool:
    if run.task_type == task.name:
        return task.exclusivity is not Exclusivity.NONE
    return task.conflict_group is not None and run.conflict_group == task.conflict_group


def _at_work(run: TaskRun) -> UnreadyReason:
    return _reason(
        "task_conflict",
        f"`{run.task_type}` is at work on this session.",
        [f"Wait until the run {run.id} has ended, or cancel it."],
    )


def _of_gate(plugin: str, blocker: Blocker) -> UnreadyReason:
    return UnreadyReason(
        code=blocker.code,
        message=blocker.message,
        recovery_actions=list(blocker.recovery_actions),
        plugin=plugin,
    )


def _of_verdict(session: WorkSession, verdict: Validation | None) -> list[UnreadyReason]:
    again = ["Validate the tickets; this needs the plugin adf_validation."]
    if verdict is None:
        return [_reason("validation_missing", "The tickets have not been validated.", again)]
    if verdict.content_revision != session.content_revision:
        return [
            _reason("validation_stale", "Tickets were changed after the last validation.", again)
        ]
    if not verdict.passed:
        message = f"{verdict.failed_count} tickets did not pass the validation."
        return [_reason("validation_failed", message, ["Edit them, and validate again."])]
    return []


def _reason(code: str, message: str, actions: Sequence[str]) -> UnreadyReason:
    return UnreadyReason(code=code, message=message, recovery_actions=list(actions), plugin=None)


_NO_EXPORT = _reason(
    "no_export",
    "No installed plugin can export.",
    ["Ask an administrator to install ticketgen-export."],
)
_NO_TICKETS = _reason(
    "no_tickets",
    "The session has no tickets.",
    ["Generate them with POST /api/processing/start/{session_id}."],
)


async def _summary(
    db: AsyncSession, verdict: Validation | None, counted: ReviewCounts
) -> ReadinessSummary:
    return ReadinessSummary(
        tickets=counted.tickets,
        edited_tickets=counted.edited,
        edited_since_validation=counted.edited_since,
        oversize_tickets=counted.oversize,
        tickets_with_notes=counted.with_notes,
        validated_at=verdict.created_at if verdict else None,
        validation_passed=verdict.passed if verdict else None,
        failed_tickets=verdict.failed_count if verdict else 0,
        warnings=await validations.count_warnings(db, verdict.id) if verdict else 0,
    )
