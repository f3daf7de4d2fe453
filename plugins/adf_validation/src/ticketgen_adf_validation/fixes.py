"""Certain fixes as edits of tickets: which are to be had, and how they are made."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import TICKETS_GROUP, Finding
from ticketgen.domain import audit, sessions, task_runs, tickets, validations
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.domain.validations import TicketValidation, Validation
from ticketgen_adf_validation.errors import TicketsBusyError
from ticketgen_adf_validation.fixing import Mended, certain_fix, has_fix, mended
from ticketgen_adf_validation.judging import OwnedCheck
from ticketgen_adf_validation.schemas import FixedTicket, FixReport, FixRequest

__all__ = ["fix_tickets", "fixable_findings"]


async def fixable_findings(
    db: AsyncSession,
    session_id: UUID,
    results: Sequence[TicketValidation],
    checks: Sequence[OwnedCheck],
) -> set[tuple[UUID, int]]:
    """Which findings can be fixed for certain, as ticket and number of the finding.

    Judged by the descriptions as they are now.
    """
    asked = {
        result.ticket_id: {
            number: finding
            for number, finding in enumerate(_findings(result))
            if has_fix(finding, checks)
        }
        for result in results
    }
    ids = {ticket_id for ticket_id, findings in asked.items() if findings}
    if not ids:
        return set()
    found = [ticket for ticket in await tickets.list_tickets(db, session_id) if ticket.id in ids]
    texts = [(ticket.id, ticket.description, ticket.key) for ticket in found]
    return await asyncio.to_thread(
        lambda: {
            (ticket_id, number)
            for ticket_id, description, key in texts
            for number, finding in asked[ticket_id].items()
            if certain_fix(description, finding, checks, key=key) is not None
        }
    )


async def fix_tickets(
    db: AsyncSession,
    session: WorkSession,
    user: User,
    verdict: Validation,
    request: FixRequest,
    checks: Sequence[OwnedCheck],
) -> FixReport:
    """Make every certain fix that the request asks for, as edits by this person.

    The session is locked by the caller. What is fixed is looked for anew in each description, so
    an edit since the verdict is neither lost nor a conflict.

    Raises:
        ConflictError: the session is in another stage, or a run is at work on its tickets.
        NotFoundError: one of the tickets is not of this session.
    """
    await _require_free(db, session)
    wanted = await _wanted(db, session.id, verdict, request, checks)
    chosen, later = wanted[: request.limit], wanted[request.limit :]
    found = [
        await tickets.get_ticket(db, session_id=session.id, ticket_id=ticket_id, lock=True)
        for ticket_id in chosen
    ]
    texts = [(ticket.description, ticket.key) for ticket in found]
    rules = None if request.rules is None else frozenset(request.rules)
    fixes = await asyncio.to_thread(
        lambda: [mended(text, checks, key=key, rules=rules) for text, key in texts]
    )
    changed = [(ticket, fix) for ticket, fix in zip(found, fixes, strict=True) if fix.rules]
    report = [_told(ticket, fix, request) for ticket, fix in changed]
    for ticket, fix in changed if not request.dry_run else ():
        _edit(db, session, ticket, fix, user)
    return FixReport(dry_run=request.dry_run, tickets=report, left=len(later))


async def _require_free(db: AsyncSession, session: WorkSession) -> None:
    sessions.require_stage(session, Stage.REVIEW, Stage.JIRA_EXPORT, doing="Fixing tickets")
    run = await task_runs.find_active_run(db, session_id=session.id, conflict_group=TICKETS_GROUP)
    if run is not None:
        raise TicketsBusyError(
            f"`{run.task_type}` is at work on the tickets.",
            recovery_actions=[f"Wait until the run {run.id} has ended."],
        )


async def _wanted(
    db: AsyncSession,
    session_id: UUID,
    verdict: Validation,
    request: FixRequest,
    checks: Sequence[OwnedCheck],
) -> list[UUID]:
    """The tickets with findings that may be fixed, in the order of work."""
    for ticket_id in request.ticket_ids or ():
        await tickets.get_ticket(db, session_id=session_id, ticket_id=ticket_id)
    concerned = {
        result.ticket_id
        for result in await validations.ticket_results(db, verdict.id)
        if any(_is_asked(finding, request.rules, checks) for finding in _findings(result))
    }
    if request.ticket_ids is not None:
        concerned &= set(request.ticket_ids)
    if not concerned:
        return []
    return [
        ticket.id for ticket in await tickets.list_tickets(db, session_id) if ticket.id in concerned
    ]


def _findings(result: TicketValidation) -> list[Finding]:
    return [Finding.model_validate(item) for item in result.findings]


def _is_asked(
    finding: Finding, rules: Collection[str] | None, checks: Sequence[OwnedCheck]
) -> bool:
    return (rules is None or finding.rule in rules) and has_fix(finding, checks)


def _told(ticket: Ticket, fix: Mended, request: FixRequest) -> FixedTicket:
    return FixedTicket(
        ticket_id=ticket.id,
        key=ticket.key,
        revision=ticket.revision + (0 if request.dry_run else 1),
        rules=list(fix.rules),
        before=ticket.description,
        after=fix.markdown,
    )


def _edit(db: AsyncSession, session: WorkSession, ticket: Ticket, fix: Mended, user: User) -> None:
    """An edit like that of a person: counted, written down, and every verdict is stale."""
    before = ticket.description
    ticket.description = fix.markdown
    ticket.revision += 1
    ticket.edited_at = func.clock_timestamp()
    sessions.bump_content(session)
    audit.record(
        db,
        "ticket.edited",
        actor_id=user.id,
        session_id=session.id,
        subject=ticket.key,
        details={
            "fields": ["description"],
            "before": {"description": _digest(before)},
            "after": {"description": _digest(fix.markdown)},
            "fixed": list(fix.rules),
            "revision": ticket.revision,
        },
    )


def _digest(text: str) -> Mapping[str, Any]:
    return {"characters": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
