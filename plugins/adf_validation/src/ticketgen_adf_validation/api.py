"""The plugin's own routes: verdict, documents, certain fixes, and Markdown from Jira."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from ticketgen.api.deps import (
    CurrentUser,
    InstalledContributions,
    LockedSession,
    Offset,
    OwnedSession,
    UnitOfWork,
    Work,
    csv_answer,
    problem_responses,
    tell_total,
    told_total,
)
from ticketgen.domain import tickets, validations
from ticketgen.domain.validations import TicketValidation, Validation
from ticketgen.errors import NotFoundError
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.documents import described
from ticketgen_adf_validation.fixes import fix_tickets, fixable_findings
from ticketgen_adf_validation.schemas import (
    FixReport,
    FixRequest,
    FoundProblem,
    MarkdownAnswer,
    MarkdownRequest,
    TicketResult,
    ValidationReport,
)

__all__ = ["router"]

router = APIRouter()

_COLUMNS = (
    "position", "ticket", "title", "severity", "rule", "path", "value", "message", "remedy"
)  # fmt: skip


async def _verdict(work: UnitOfWork, session_id: UUID) -> Validation:
    verdict = await validations.latest_validation(work.db, session_id)
    if verdict is None:
        raise NotFoundError(
            "The session has not been validated yet.",
            recovery_actions=["Start it with POST /api/adf_validation/start/{session_id}."],
        )
    return verdict


@router.get("/results/{session_id}", responses={**problem_responses(403, 404), **told_total()})
async def show_results(
    session: OwnedSession,
    work: Work,
    contributions: InstalledContributions,
    response: Response,
    failed: Annotated[
        bool | None, Query(description="Only tickets that did not pass, or only those that did.")
    ] = None,
    limit: Annotated[int | None, Query(ge=1, le=1_000, description="At most so many.")] = None,
    offset: Offset = 0,
) -> ValidationReport:
    """Show the last verdict, ticket by ticket, and which findings can be fixed for certain.

    `X-Total-Count` says how many tickets there are without the limit.
    """
    verdict = await _verdict(work, session.id)
    results = await validations.ticket_results(
        work.db,
        verdict.id,
        passed=None if failed is None else not failed,
        limit=limit,
        offset=offset,
    )
    passed = verdict.ticket_count - verdict.failed_count
    counts = {None: verdict.ticket_count, True: verdict.failed_count, False: passed}
    tell_total(response, counts[failed])
    fixable = await fixable_findings(work.db, session.id, results, contributions.owned(AdfCheck))
    return ValidationReport(
        passed=verdict.passed,
        fresh=verdict.content_revision == session.content_revision,
        tickets_checked=verdict.ticket_count,
        tickets_failed=verdict.failed_count,
        created_at=verdict.created_at,
        tickets=[
            TicketResult(
                ticket_id=result.ticket_id,
                passed=result.passed,
                findings=[
                    FoundProblem(**item, fixable=(result.ticket_id, number) in fixable)
                    for number, item in enumerate(result.findings)
                ],
            )
            for result in results
        ],
    )


@router.get(
    "/results/{session_id}/csv",
    response_class=StreamingResponse,
    responses=problem_responses(403, 404),
)
async def download_results(session: OwnedSession, work: Work) -> StreamingResponse:
    """Download the findings of the last verdict as a CSV file for spreadsheets, in work order."""
    verdict = await _verdict(work, session.id)
    results = await validations.ticket_results(work.db, verdict.id)
    findings = {result.ticket_id: result.findings for result in results}
    found = [
        (ticket.position, ticket.key, ticket.title, item)
        for ticket in await tickets.list_tickets(work.db, session.id)
        for item in findings.get(ticket.id, ())
    ]

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        yield _COLUMNS
        for position, key, title, item in found:
            yield (position, key, title, *(item.get(name) for name in _COLUMNS[3:]))

    return csv_answer(rows(), file_name="validation.csv")


@router.post("/fix/{session_id}", responses=problem_responses(403, 404, 409, 422))
async def fix(
    session: LockedSession,
    work: Work,
    user: CurrentUser,
    contributions: InstalledContributions,
    request: FixRequest | None = None,
) -> FixReport:
    """Put right what can be put right for certain, as edits of the tickets; or tell what would be.

    Each change is in the ticket's history, and the validation is stale from then on.
    """
    verdict = await _verdict(work, session.id)
    asked = request or FixRequest()
    checks = contributions.owned(AdfCheck)
    return await fix_tickets(work.db, session, user, verdict, asked, checks)


@router.post("/markdown", responses=problem_responses(413, 422))
async def show_markdown(request: MarkdownRequest, user: CurrentUser) -> MarkdownAnswer:
    """Turn a description that was edited in Jira back into Markdown; nothing is stored.

    What is no document is refused with the findings that say why. A document that breaks the
    grammar is not: every word in it is kept.
    """
    return MarkdownAnswer(markdown=await asyncio.to_thread(described, request.document))


@router.get("/documents/{session_id}/{ticket_id}", responses=problem_responses(403, 404))
async def show_document(ticket_id: UUID, session: OwnedSession, work: Work) -> dict[str, Any]:
    """Show a ticket's description as the ADF document that was checked last."""
    verdict = await _verdict(work, session.id)
    result = await work.db.get(TicketValidation, (verdict.id, ticket_id))
    if result is None:
        raise NotFoundError(
            f"The ticket {ticket_id} has not been validated.",
            recovery_actions=["Validate the session again."],
        )
    document: dict[str, Any] = await result.awaitable_attrs.document
    return document
