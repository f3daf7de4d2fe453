"""The plugin's one task."""

from __future__ import annotations

from ticketgen import TICKETS_GROUP, StageMoves, Task, TaskContext
from ticketgen.domain.sessions import Stage
from ticketgen_processing.schemas import GeneratePayload, GenerateRequest, GenerateSummary
from ticketgen_processing.service import (
    discard_generation,
    execute_ticket_generation,
    prepare_generation,
)

__all__ = ["GENERATE_TICKETS"]


async def generate_tickets(ctx: TaskContext, payload: GeneratePayload) -> GenerateSummary:
    """Generate the session's tickets."""
    return await execute_ticket_generation(ctx, payload)


GENERATE_TICKETS = Task(
    name="processing",
    summary="Generate the tickets of a session from its sheets.",
    request=GenerateRequest,
    payload=GeneratePayload,
    prepare=prepare_generation,
    handler=generate_tickets,
    job_name="generate_tickets_job",
    conflict_group=TICKETS_GROUP,
    stages=StageMoves(
        allowed=(Stage.SITE_INFO_COLLECTION, Stage.UPLOAD, Stage.REVIEW),
        on_start=Stage.PROCESSING,
        on_success=Stage.REVIEW,
        on_failure=Stage.UPLOAD,
        on_cancel=Stage.UPLOAD,
    ),
    discard=discard_generation,
)
