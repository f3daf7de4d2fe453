"""Validating tickets: start it, do it, and say why a session may not be exported yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import (
    Blocker,
    Finding,
    NoRequest,
    Severity,
    StartContext,
    StartedRun,
    Starter,
    TaskContext,
)
from ticketgen.domain import sessions, tickets, validations
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.domain.validations import TicketValidation, Validation
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.documents import document_of
from ticketgen_adf_validation.errors import NoTicketsError
from ticketgen_adf_validation.judging import OwnedCheck, judge
from ticketgen_adf_validation.schemas import ValidatePayload, ValidationSummary

__all__ = [
    "AdfValidationService",
    "execute_adf_validation",
    "export_blockers",
    "prepare_validation",
]

_BATCH = 20
"""Tickets converted between two progress messages."""


class AdfValidationService:
    """Starts validations."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def validate_adf(self, session_id: UUID, *, user: User | None) -> StartedRun:
        """Store a run that validates the session's tickets.

        Raises:
            TicketgenError: as `prepare_validation`, or what the session's state refuses.
        """
        return await self._starter.start("adf_validation", session_id=session_id, user=user)


@dataclass(frozen=True, kw_only=True)
class _Result:
    ticket_id: UUID
    document: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


async def prepare_validation(start: StartContext, request: NoRequest) -> ValidatePayload:
    """Whether there is something to validate.

    Raises:
        NoTicketsError: the session has no tickets.
    """
    if not await tickets.count_by_group(start.db, start.require_session().id):
        raise NoTicketsError(
            "The session has no tickets yet.",
            recovery_actions=["Generate them with POST /api/processing/start/{session_id}."],
        )
    return ValidatePayload()


async def execute_adf_validation(ctx: TaskContext, payload: ValidatePayload) -> ValidationSummary:
    """Convert and check every ticket, and store the verdict for the revision read at the start.

    An edit made meanwhile is not lost on anybody: the verdict is stale the moment it is stored.
    """
    async with ctx.transaction() as db:
        session = await sessions.get_session(db, ctx.session_id)
        revision = session.content_revision
        found = await tickets.list_tickets(db, session.id)
    results: list[_Result] = []
    for begin in range(0, len(found), _BATCH):
        batch = found[begin : begin + _BATCH]
        await ctx.progress(95.0 * begin / len(found), "Checking tickets", done=begin, of=len(found))
        results += await _checked(ctx, batch)
    await ctx.progress(95, "Storing the verdict", done=len(found), of=len(found))
    return await _store(ctx, revision, results)


async def _checked(ctx: TaskContext, batch: Sequence[Ticket]) -> list[_Result]:
    """Convert and check the documents in a thread, then ask the hooks that check tickets."""
    checks = ctx.contributions.owned(AdfCheck)
    results = await asyncio.to_thread(lambda: [_converted(ticket, checks) for ticket in batch])
    async with ctx.transaction() as db:
        others = [await ctx.hooks.check_ticket(db, ticket) for ticket in batch]
    return [
        _Result(
            ticket_id=result.ticket_id,
            document=result.document,
            findings=(*result.findings, *findings),
        )
        for result, findings in zip(results, others, strict=True)
    ]


def _converted(ticket: Ticket, checks: Sequence[OwnedCheck]) -> _Result:
    document = document_of(ticket.description, key=ticket.key)
    return _Result(ticket_id=ticket.id, document=document, findings=judge(document, checks))


async def _store(ctx: TaskContext, revision: int, results: Sequence[_Result]) -> ValidationSummary:
    failed = sum(not result.passed for result in results)
    async with ctx.transaction() as db:
        # Taken before the run's own row, in the order in which starts and edits take them; it
        # also keeps a new generation from deleting the tickets while their results go in.
        session = await sessions.lock_session(db, ctx.session_id)
        present = {ticket.id for ticket in await tickets.list_tickets(db, session.id)}
        verdict = Validation(
            session_id=session.id,
            task_id=ctx.run.id,
            content_revision=revision,
            passed=failed == 0,
            ticket_count=len(results),
            failed_count=failed,
        )
        db.add(verdict)
        await db.flush()
        db.add_all(
            TicketValidation(
                validation_id=verdict.id,
                ticket_id=result.ticket_id,
                passed=result.passed,
                findings=[finding.model_dump(mode="json") for finding in result.findings],
                document=result.document,
            )
            for result in results
            if result.ticket_id in present
        )
    findings = [finding for result in results for finding in result.findings]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    return ValidationSummary(
        passed=failed == 0,
        tickets_checked=len(results),
        tickets_failed=failed,
        errors=errors,
        warnings=len(findings) - errors,
        content_revision=revision,
    )


async def export_blockers(db: AsyncSession, session: WorkSession) -> list[Blocker]:
    """Why the session's tickets do not count as validated; empty if they do."""
    verdict = await validations.latest_validation(db, session.id)
    again = ("Start it with POST /api/adf_validation/start/{session_id}.",)
    if verdict is None:
        return [
            Blocker(
                code="adf_validation.missing",
                message="The tickets have not been validated.",
                recovery_actions=again,
            )
        ]
    if verdict.content_revision != session.content_revision:
        return [
            Blocker(
                code="adf_validation.stale",
                message="Tickets were changed after the last validation.",
                recovery_actions=again,
            )
        ]
    if not verdict.passed:
        return [
            Blocker(
                code="adf_validation.failed",
                message=f"{verdict.failed_count} tickets did not pass the validation.",
                recovery_actions=(
                    "See GET /api/adf_validation/results/{session_id}, edit them, validate again.",
                ),
            )
        ]
    return []
