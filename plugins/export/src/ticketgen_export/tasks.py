"""The plugin's one task."""

from __future__ import annotations

from ticketgen import TICKETS_GROUP, StageMoves, Task, TaskContext
from ticketgen.domain.sessions import Stage
from ticketgen_export.exporting import execute_session_export
from ticketgen_export.schemas import ExportPayload, ExportRequest, ExportSummary
from ticketgen_export.service import prepare_export
from ticketgen_export.targets import consult_target

__all__ = ["EXPORT_SESSION"]


async def export_session(ctx: TaskContext, payload: ExportPayload) -> ExportSummary:
    """Export the session's tickets."""
    return await execute_session_export(ctx, payload)


EXPORT_SESSION = Task(
    name="export",
    summary="Send the validated tickets of a session to a target.",
    request=ExportRequest,
    payload=ExportPayload,
    prepare=prepare_export,
    handler=export_session,
    job_name="export_session_job",
    conflict_group=TICKETS_GROUP,
    consult=consult_target,
    stages=StageMoves(
        allowed=(Stage.REVIEW, Stage.JIRA_EXPORT),
        on_start=Stage.JIRA_EXPORT,
        on_success=Stage.COMPLETED,
        on_failure=Stage.JIRA_EXPORT,
        on_cancel=Stage.JIRA_EXPORT,
    ),
)
