"""The plugin's own routes: the start by its own name, and the findings."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from ticketgen import Finding, Severity
from ticketgen.api.deps import (
    CurrentUser,
    OwnedSession,
    TaskStarted,
    UnitOfWork,
    Work,
    problem_responses,
    service,
    started_answer,
)
from ticketgen.domain import artifacts, task_runs
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import NotFoundError
from ticketgen_processing.schemas import FindingsReport, GenerateRequest
from ticketgen_processing.service import FINDINGS_FILE, ProcessingService

__all__ = ["router"]

router = APIRouter()


@router.post(
    "/generate-tickets/{session_id}",
    status_code=202,
    responses=problem_responses(403, 404, 409, 422),
)
async def generate_tickets(
    session: OwnedSession,
    user: CurrentUser,
    processing: Annotated[ProcessingService, service(ProcessingService)],
    request: GenerateRequest | None = None,
) -> TaskStarted:
    """Start the generation of the session's tickets."""
    return started_answer(
        await processing.generate_tickets(session.id, request or GenerateRequest(), user=user)
    )


async def _last_generation(work: UnitOfWork, session_id: UUID) -> TaskRun | None:
    """The generation the present tickets come from: one that waits or failed changed nothing."""
    return await task_runs.latest_run(
        work.db, session_id=session_id, task_type="processing", state=RunState.COMPLETED
    )


@router.get("/findings/{session_id}", responses=problem_responses(403, 404))
async def list_findings(session: OwnedSession, work: Work) -> FindingsReport:
    """List what the last generation found in the sheets: file, row, column, value, remedy."""
    run = await _last_generation(work, session.id)
    report = run and await artifacts.read_artifact(work.db, run.lineage_id, FINDINGS_FILE)
    if not report:
        raise NotFoundError(
            "The session has no findings yet.",
            recovery_actions=[
                "Generate its tickets with POST /api/processing/generate-tickets/{session_id}."
            ],
        )
    findings = [Finding.model_validate(item) for item in json.loads(report)]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    return FindingsReport(errors=errors, warnings=len(findings) - errors, findings=findings)
