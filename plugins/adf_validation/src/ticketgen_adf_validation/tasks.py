"""The plugin's one task."""

from __future__ import annotations

from ticketgen import NoRequest, StageMoves, Task, TaskContext
from ticketgen.domain.sessions import Stage
from ticketgen_adf_validation.schemas import ValidatePayload, ValidationSummary
from ticketgen_adf_validation.service import execute_adf_validation, prepare_validation

__all__ = ["VALIDATE_ADF"]


async def validate_adf(ctx: TaskContext, payload: ValidatePayload) -> ValidationSummary:
    """Validate the session's tickets."""
    return await execute_adf_validation(ctx, payload)


VALIDATE_ADF = Task(
    name="adf_validation",
    summary="Convert every ticket to ADF and check it.",
    request=NoRequest,
    payload=ValidatePayload,
    prepare=prepare_validation,
    handler=validate_adf,
    job_name="validate_adf_job",
    stages=StageMoves(allowed=(Stage.REVIEW, Stage.JIRA_EXPORT)),
)
