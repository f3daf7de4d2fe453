"""Routes that show what became of the tickets of an export: JSON, CSV, and a page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import OwnedSession, Work, csv_answer, problem_responses
from ticketgen_export.errors import NothingExportedError
from ticketgen_export.reporting import ExportReport, Sent, TicketOutcome, export_report
from ticketgen_export.results_page import result_rows, results_page

__all__ = ["router"]

router = APIRouter(prefix="/results/{session_id}")

_EXAMPLE: Final[dict[str, Any]] = {
    "ticket_id": "019ac0de-0000-7000-8000-000000000005",
    "position": 0,
    "title": "Vocabulary: Topics",
    "state": "done",
    "reference": "HM-12",
    "url": "https://harbour.atlassian.net/browse/HM-12",
    "sent_at": "2026-03-02T09:31:02Z",
    "completed_at": "2026-03-02T09:31:04Z",
    "manual_fixes": ["HM-12: Assignee: nobody who can be assigned is known as 'mia@example.org'."],
}


class TicketResultView(BaseModel):
    """What became of one ticket."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXAMPLE]})

    ticket_id: UUID
    position: int = Field(description="Its place in the order of work.")
    title: str
    state: Sent
    reference: str | None = Field(description="What the target calls it: an issue key.")
    url: str | None
    sent_at: datetime | None
    completed_at: datetime | None
    manual_fixes: list[str] = Field(description="What a person has to mend by hand.")


class ResultsView(BaseModel):
    """What became of a session's tickets, in the place they were sent to last."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "target": "jira",
                    "place": "harbour.atlassian.net/HM",
                    "done": 1,
                    "total": 1,
                    "to_mend": 1,
                    "tickets": [_EXAMPLE],
                }
            ]
        }
    )

    target: str
    place: str
    done: int
    total: int
    to_mend: int = Field(description="Tickets that need a person's hand.")
    tickets: list[TicketResultView]


async def _report(work: Work, session_id: UUID) -> ExportReport:
    report = await export_report(work.db, session_id)
    if report is None:
        raise NothingExportedError(
            "Nothing of the session has been exported yet.",
            recovery_actions=["Start it with POST /api/export/session/{session_id}."],
        )
    return report


@router.get("", responses=problem_responses(403, 404))
async def show_results(
    session: OwnedSession,
    work: Work,
    to_mend: Annotated[bool, Query(description="Only what needs a person's hand.")] = False,
) -> ResultsView:
    """Show where every ticket is now, also while an export is running or after it has stopped."""
    report = await _report(work, session.id)
    shown = [ticket for ticket in report.tickets if ticket.manual_fixes or not to_mend]
    return ResultsView(
        target=report.target,
        place=report.place,
        done=report.count(Sent.DONE),
        total=len(report.tickets),
        to_mend=sum(_needs_hand(ticket) for ticket in report.tickets),
        tickets=[TicketResultView.model_validate(ticket) for ticket in shown],
    )


def _needs_hand(ticket: TicketOutcome) -> bool:
    return bool(ticket.manual_fixes)


@router.get("/csv", response_class=StreamingResponse, responses=problem_responses(403, 404))
async def download_results(session: OwnedSession, work: Work) -> StreamingResponse:
    """Download the same as a CSV file for spreadsheets."""
    report = await _report(work, session.id)

    async def rows() -> AsyncIterator[Sequence[object]]:
        for row in result_rows(report):
            yield row

    return csv_answer(rows(), file_name="export-results.csv")


@router.get("/page", response_class=HTMLResponse, responses=problem_responses(403, 404))
async def show_results_page(session: OwnedSession, work: Work) -> Response:
    """Show the same as a page for a browser, to be kept or sent on."""
    report = await _report(work, session.id)
    return HTMLResponse(
        results_page(report, title=f"Export of {session.name}"),
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        },
    )
