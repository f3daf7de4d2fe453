"""The plugin's own routes: the verdict, and the document of a ticket."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from ticketgen import Finding
from ticketgen.api.deps import OwnedSession, UnitOfWork, Work, problem_responses
from ticketgen.domain import validations
from ticketgen.domain.validations import TicketValidation, Validation
from ticketgen.errors import NotFoundError
from ticketgen_adf_validation.schemas import TicketResult, ValidationReport

__all__ = ["router"]

router = APIRouter()


async def _verdict(work: UnitOfWork, session_id: UUID) -> Validation:
    verdict = await validations.latest_validation(work.db, session_id)
    if verdict is None:
        raise NotFoundError(
            "The session has not been validated yet.",
            recovery_actions=["Start it with POST /api/adf_validation/start/{session_id}."],
        )
    return verdict


@router.get("/results/{session_id}", responses=problem_responses(403, 404))
async def show_results(session: OwnedSession, work: Work) -> ValidationReport:
    """Show the last verdict, ticket by ticket."""
    verdict = await _verdict(work, session.id)
    results = await validations.ticket_results(work.db, verdict.id)
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
                findings=[Finding.model_validate(item) for item in result.findings],
            )
            for result in results
        ],
    )


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
