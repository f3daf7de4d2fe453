"""The plugin's own routes: the start by its own name, the targets, the files."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Response

from ticketgen.api.deps import (
    Consult,
    CurrentUser,
    InstalledContributions,
    OwnedSession,
    TaskStarted,
    UnitOfWork,
    Work,
    problem_responses,
    service,
    started_answer,
)
from ticketgen.domain import artifacts, task_runs
from ticketgen.domain.task_runs import RunState
from ticketgen.provides import ExportedFile, ExportTarget
from ticketgen_export.connections.api import router as connections
from ticketgen_export.errors import NothingExportedError
from ticketgen_export.jira.api import router as jira
from ticketgen_export.rendering import zip_files
from ticketgen_export.results_api import router as results
from ticketgen_export.schemas import ExportRequest, FileView, TargetView
from ticketgen_export.service import ExportService

__all__ = ["router"]

router = APIRouter()
router.include_router(connections)
router.include_router(results)
router.include_router(jira)


@router.post(
    "/session/{session_id}", status_code=202, responses=problem_responses(403, 404, 409, 422)
)
async def export_session(
    session: OwnedSession,
    work: Work,
    user: CurrentUser,
    consult: Consult,
    export: Annotated[ExportService, service(ExportService)],
    request: ExportRequest | None = None,
) -> TaskStarted:
    """Start the export of the session's tickets."""
    asked = request or ExportRequest()
    await consult(work, "export", session=session, user=user, request=asked)
    return started_answer(await export.export_session(session.id, asked, user=user))


@router.get("/targets", responses=problem_responses())
async def list_targets(contributions: InstalledContributions) -> list[TargetView]:
    """List where tickets can be sent to."""
    return [
        TargetView(name=target.name, summary=target.summary)
        for target in contributions.provided(ExportTarget)
    ]


async def _lineage(work: UnitOfWork, session_id: UUID) -> UUID:
    run = await task_runs.latest_run(work.db, session_id=session_id, task_type="export")
    if run is None or run.state is not RunState.COMPLETED:
        raise NothingExportedError(
            "The session has no complete export.",
            recovery_actions=["Start it with POST /api/export/session/{session_id}."],
        )
    return run.lineage_id


@router.get("/files/{session_id}", responses=problem_responses(403, 404))
async def list_files(session: OwnedSession, work: Work) -> list[FileView]:
    """List the files of the session's last export."""
    found = await artifacts.list_artifacts(work.db, await _lineage(work, session.id))
    return [FileView(name=f.name, media_type=f.media_type, size=f.size) for f in found]


@router.get(
    "/download/{session_id}",
    responses={
        **problem_responses(403, 404),
        200: {"content": {"application/zip": {}}, "description": "All files as one archive."},
    },
    response_class=Response,
)
async def download(session: OwnedSession, work: Work) -> Response:
    """Download the files of the session's last export as one zip archive."""
    files = await artifacts.read_artifacts(work.db, await _lineage(work, session.id))
    archive = zip_files(
        ExportedFile(name=name, media_type="", content=content) for name, content in files.items()
    )
    return Response(
        archive,
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="ticketgen-export.zip"'},
    )
