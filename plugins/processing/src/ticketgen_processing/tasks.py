"""The plugin's tasks: check the sheets, generate the tickets, write one anew."""

from __future__ import annotations

from ticketgen import (
    TICKETS_GROUP,
    ConsultContext,
    Exclusivity,
    NoRequest,
    StageMoves,
    Task,
    TaskContext,
)
from ticketgen.domain.sessions import Stage
from ticketgen_processing.checking import execute_check, prepare_check
from ticketgen_processing.generating import execute_ticket_generation, prepare_generation
from ticketgen_processing.regenerating import execute_regeneration, prepare_regeneration
from ticketgen_processing.schemas import (
    CheckPayload,
    CheckSummary,
    GeneratePayload,
    GenerateRequest,
    GenerateSummary,
    RegeneratePayload,
    RegenerateRequest,
    RegenerateSummary,
)
from ticketgen_processing.writer_health import WriterHealths

__all__ = ["CHECK_SHEETS", "GENERATE_TICKETS", "REGENERATE_TICKET"]

_WITH_FILES = (Stage.SITE_INFO_COLLECTION, Stage.UPLOAD, Stage.REVIEW)


async def ask_writer(consult: ConsultContext, request: GenerateRequest | RegenerateRequest) -> None:
    """Refuse a start that could not write a word: the session's writer is asked first."""
    healths: WriterHealths = consult.state
    await healths.require_ready(consult.contributions, consult.require_session().writer)


async def check_sheets(ctx: TaskContext, payload: CheckPayload) -> CheckSummary:
    """Check the session's sheets."""
    return await execute_check(ctx, payload)


async def generate_tickets(ctx: TaskContext, payload: GeneratePayload) -> GenerateSummary:
    """Generate the session's tickets."""
    return await execute_ticket_generation(ctx, payload)


async def regenerate_ticket(ctx: TaskContext, payload: RegeneratePayload) -> RegenerateSummary:
    """Write one ticket of the session anew."""
    return await execute_regeneration(ctx, payload)


CHECK_SHEETS = Task(
    name="processing.check",
    summary="Check the sheets of a session, and estimate what its tickets take.",
    request=NoRequest,
    payload=CheckPayload,
    prepare=prepare_check,
    handler=check_sheets,
    job_name="check_sheets_job",
    stages=StageMoves(allowed=_WITH_FILES),
)

GENERATE_TICKETS = Task(
    name="processing",
    summary="Generate the tickets of a session from its sheets.",
    request=GenerateRequest,
    payload=GeneratePayload,
    prepare=prepare_generation,
    consult=ask_writer,
    handler=generate_tickets,
    job_name="generate_tickets_job",
    conflict_group=TICKETS_GROUP,
    stages=StageMoves(
        allowed=_WITH_FILES,
        on_start=Stage.PROCESSING,
        on_success=Stage.REVIEW,
        on_failure=Stage.UPLOAD,
        on_cancel=Stage.UPLOAD,
    ),
)

REGENERATE_TICKET = Task(
    name="processing.regenerate",
    summary="Write one ticket of a session anew.",
    request=RegenerateRequest,
    payload=RegeneratePayload,
    prepare=prepare_regeneration,
    consult=ask_writer,
    handler=regenerate_ticket,
    job_name="regenerate_ticket_job",
    # Of different tickets several at once.
    exclusivity=Exclusivity.NONE,
    conflict_group=TICKETS_GROUP,
    stages=StageMoves(allowed=(Stage.REVIEW, Stage.JIRA_EXPORT)),
)
