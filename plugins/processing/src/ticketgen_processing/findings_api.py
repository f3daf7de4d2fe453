"""The routes of findings: the report by kind, each one, as a file, and what is accepted of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from ticketgen import Severity
from ticketgen.api.deps import (
    CurrentUser,
    Limit,
    LockedSession,
    Offset,
    OwnedSession,
    Work,
    csv_answer,
    problem_responses,
    tell_total,
    told_total,
)
from ticketgen.domain import audit, sessions, users
from ticketgen_processing.reports import (
    FindingFilter,
    accept_groups,
    count_findings,
    current_report,
    list_acceptances,
    list_findings,
    withdraw_acceptance,
)
from ticketgen_processing.stored import Acceptance
from ticketgen_processing.views import (
    AcceptanceView,
    AcceptRequest,
    GroupedFinding,
    ReportView,
    group_view,
)

__all__ = ["router"]

router = APIRouter(prefix="/findings/{session_id}")

_COLUMNS = (
    "severity",
    "group",
    "rule",
    "file",
    "row",
    "column",
    "value",
    "message",
    "remedy",
    "suggestions",
)
_PAGE = 1_000


@router.get("", responses=problem_responses(403, 404))
async def show_findings(session: OwnedSession, work: Work) -> ReportView:
    """Show the report of the newest check or generation, by kind of finding, errors first."""
    current = await current_report(work.db, session.id)
    acceptances = await list_acceptances(work.db, session.id)
    names = await users.names_of(work.db, {one.accepted_by for one in acceptances})
    views = {one.group_id: _acceptance(one, names) for one in acceptances}
    accepted = frozenset(name for one in acceptances for name in one.identities)
    groups = [
        group_view(group, accepted, views.get(group["id"])) for group in current.report.groups
    ]
    open_errors = sum(group.open_errors for group in groups)
    return ReportView(
        session_id=session.id,
        task_id=current.report.run_id,
        made_at=current.report.made_at,
        stale=current.stale,
        errors=current.report.error_count,
        accepted_errors=current.report.error_count - open_errors,
        open_errors=open_errors,
        warnings=current.report.warning_count,
        components=current.report.summary["components"],
        entity_groups=current.report.summary["groups"],
        groups=groups,
    )


@router.get("/list", responses={**problem_responses(403, 404), **told_total()})
async def list_each(
    session: OwnedSession,
    work: Work,
    response: Response,
    group: Annotated[str | None, Query(max_length=100, description="Of this group.")] = None,
    file: Annotated[str | None, Query(max_length=300, description="In this file.")] = None,
    severity: Annotated[Severity | None, Query(description="Errors or warnings only.")] = None,
    q: Annotated[
        str, Query(max_length=200, description="Whose value or message has this text.")
    ] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[GroupedFinding]:
    """List the findings of the report one by one; of one group at most the first 200.

    `X-Total-Count` says how many of those there are without the limit.
    """
    only = FindingFilter(group=group, file=file, severity=severity, containing=q)
    await current_report(work.db, session.id)
    found = await list_findings(work.db, session.id, only, limit=limit, offset=offset)
    tell_total(response, await count_findings(work.db, session.id, only))
    return [GroupedFinding.model_validate(one) for one in found]


@router.get("/csv", response_class=StreamingResponse, responses=problem_responses(403, 404))
async def download_findings(session: OwnedSession, work: Work) -> StreamingResponse:
    """Download the findings as a CSV file for spreadsheets; of one group at most the first 200."""
    await current_report(work.db, session.id)
    found = await list_findings(work.db, session.id, FindingFilter(), limit=None, offset=0)

    async def rows() -> AsyncIterator[tuple[object, ...]]:
        yield _COLUMNS
        for one in found:
            cells = {**one, "suggestions": "; ".join(one.get("suggestions", ()))}
            yield tuple(cells.get(column) for column in _COLUMNS)

    return csv_answer(rows(), file_name="findings.csv")


@router.post("/accept", responses=problem_responses(403, 404, 409, 422))
async def accept(
    request: AcceptRequest, session: LockedSession, work: Work, user: CurrentUser
) -> ReportView:
    """Let the errors of groups stay as they are; tickets made from their rows carry a note.

    Accepted are the errors that the report has: another wrong value in the same column is not.
    """
    accepted = await accept_groups(
        work.db, session_id=session.id, group_ids=request.groups, reason=request.reason, user=user
    )
    audit.record(
        work.db,
        "findings.accepted",
        actor_id=user.id,
        session_id=session.id,
        details={
            "groups": [
                {"id": group["id"], "errors": sum(group["identities"].values())}
                for group in accepted
            ],
            "reason": request.reason,
        },
    )
    sessions.touch(session)
    await work.db.flush()
    return await show_findings(session, work)


@router.delete("/accepted/{group}", responses=problem_responses(403, 404))
async def withdraw(
    group: Annotated[str, Path(max_length=100)],
    session: LockedSession,
    work: Work,
    user: CurrentUser,
) -> ReportView:
    """Take an acceptance back: the errors of the group stop generations again."""
    await withdraw_acceptance(work.db, session_id=session.id, group_id=group)
    audit.record(
        work.db,
        "findings.acceptance_withdrawn",
        actor_id=user.id,
        session_id=session.id,
        subject=group,
    )
    sessions.touch(session)
    await work.db.flush()
    return await show_findings(session, work)


def _acceptance(one: Acceptance, names: dict[UUID, str]) -> AcceptanceView:
    return AcceptanceView(
        by=names.get(one.accepted_by) if one.accepted_by else None,
        at=one.accepted_at,
        reason=one.reason,
    )
