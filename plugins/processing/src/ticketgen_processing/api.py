"""The plugin's own routes: a start by its own name, findings, what writing takes, what is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from ticketgen.api.deps import (
    Consult,
    CurrentUser,
    InstalledContributions,
    OwnedSession,
    TaskStarted,
    Work,
    problem_responses,
    service,
    started_answer,
    state,
)
from ticketgen.errors import NotFoundError
from ticketgen.provides import CsvType, Writer
from ticketgen_processing import findings_api
from ticketgen_processing.errors import StaleReportError
from ticketgen_processing.reports import current_report
from ticketgen_processing.schemas import GenerateRequest
from ticketgen_processing.service import ProcessingService
from ticketgen_processing.texts import spent, usage_by_model
from ticketgen_processing.views import (
    EstimateView,
    ModelUsage,
    SheetColumnView,
    SheetTypeView,
    UsageView,
    WriterHealthView,
    WriterView,
)
from ticketgen_processing.writer_health import WriterHealths

__all__ = ["router"]

router = APIRouter()
router.include_router(findings_api.router)


@router.post(
    "/generate-tickets/{session_id}",
    status_code=202,
    responses=problem_responses(403, 404, 409, 422),
)
async def generate_tickets(
    session: OwnedSession,
    work: Work,
    user: CurrentUser,
    consult: Consult,
    processing: Annotated[ProcessingService, service(ProcessingService)],
    request: GenerateRequest | None = None,
) -> TaskStarted:
    """Start the generation of the session's tickets."""
    asked = request or GenerateRequest()
    await consult(work, "processing", session=session, user=user, request=asked)
    return started_answer(await processing.generate_tickets(session.id, asked, user=user))


@router.get("/estimate/{session_id}", responses=problem_responses(403, 404, 409))
async def show_estimate(
    session: OwnedSession,
    work: Work,
    contributions: InstalledContributions,
    writer: Annotated[
        str | None, Query(max_length=50, description="Another one than the session's.")
    ] = None,
) -> EstimateView:
    """Tell what a generation would take, by the newest check: tokens, US dollars, seconds."""
    current = await current_report(work.db, session.id)
    stored: dict[str, Any] | None = current.report.summary.get("estimates")
    if current.stale or stored is None:
        raise StaleReportError(
            "There is no estimate for the files as they are now.",
            recovery_actions=[
                "Check them with POST /api/processing.check/start/{session_id}, and ask again."
            ],
        )
    name = writer or session.writer
    if name not in stored:
        raise NotFoundError(
            f"The writer {name!r} was not there at the check, or cannot tell what it takes.",
            recovery_actions=["Check the sheets again, or ask for another writer."],
        )
    cost = stored[name]["cost"]
    so_far = await spent(work.db, session.id)
    budget = _budget(contributions)
    return EstimateView(
        writer=name,
        **stored[name],
        budget=budget,
        spent=so_far,
        within_budget=None if cost is None else so_far + Decimal(cost) <= budget,
        checked_at=current.report.made_at,
    )


@router.get("/usage/{session_id}", responses=problem_responses(403, 404))
async def show_usage(
    session: OwnedSession, work: Work, contributions: InstalledContributions
) -> UsageView:
    """Tell what the writers of the session have used up so far, by model."""
    models = await usage_by_model(work.db, session.id)
    return UsageView(
        cost=sum((one.cost for one in models), Decimal(0)),
        budget=_budget(contributions),
        models=[ModelUsage.model_validate(one) for one in models],
    )


@router.get("/writers", responses=problem_responses())
async def list_writers(contributions: InstalledContributions) -> list[WriterView]:
    """List who can write the words of tickets; a session chooses one by its name."""
    return [
        WriterView(name=one.name, summary=one.summary, paid=one.paid, plugin=plugin)
        for plugin, one in contributions.owned(Writer)
    ]


@router.get("/writers/{name}/health", responses=problem_responses(404, 422))
async def show_writer_health(
    name: Annotated[str, Path(max_length=50)],
    contributions: InstalledContributions,
    healths: Annotated[WriterHealths, state],
) -> WriterHealthView:
    """Ask a writer whether it could write now; the answer may be five minutes old."""
    health = await healths.ask(contributions, name)
    return WriterHealthView(
        ready=health.ready,
        message=health.message,
        recovery_actions=list(health.recovery_actions),
        for_admin=health.for_admin,
    )


@router.get("/types", responses=problem_responses())
async def list_types(contributions: InstalledContributions) -> list[SheetTypeView]:
    """List the types of sheets that can be read, with their columns."""
    return [
        SheetTypeView(
            name=one.name,
            label=one.label,
            plugin=plugin,
            file_stems=list(one.file_stems or (one.name,)),
            columns=[
                SheetColumnView(
                    name=column.name, aliases=list(column.aliases), required=column.required
                )
                for column in one.columns
            ],
        )
        for plugin, one in contributions.owned(CsvType)
    ]


def _budget(contributions: InstalledContributions) -> Decimal:
    return Decimal(contributions.settings_of("processing").budget)
