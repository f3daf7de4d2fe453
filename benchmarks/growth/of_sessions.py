"""The questions about sessions and what is in them: files, tickets, verdicts, failures, history."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.growth.of_runs import Question
from benchmarks.growth.sample import Sample
from ticketgen.domain import (
    artifacts,
    audit,
    failures,
    recovery,
    rollback,
    session_contents,
    sessions,
    ticket_assignment,
    ticket_dependencies,
    ticket_lists,
    ticket_order,
    tickets,
    uploads,
    validations,
)
from ticketgen.domain.failures import FailureFilter
from ticketgen.domain.generated_tickets import GeneratedTicket, count_reworded, put_generated
from ticketgen.domain.sessions import Stage
from ticketgen.domain.ticket_lists import TicketFilter
from ticketgen.domain.ticket_order import Side
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import TemporaryError
from ticketgen_processing.stored import Base as ProcessingBase

__all__ = ["QUESTIONS"]

_WEEK = timedelta(days=7)


async def _ticket(db: AsyncSession, at: Sample, ticket_id: UUID) -> Ticket:
    return await tickets.get_ticket(db, session_id=at.session, ticket_id=ticket_id, lock=True)


async def _recoverable(db: AsyncSession, at: Sample) -> None:
    found = await sessions.list_recoverable(
        db, owner_id=at.owner, retention=_WEEK, limit=30, offset=0
    )
    await recovery.recoverable(db, found)


async def _delete_session(db: AsyncSession, at: Sample) -> None:
    await sessions.delete_session(db, await sessions.lock_session(db, at.session))


async def _roll_back(db: AsyncSession, at: Sample) -> None:
    session = await sessions.lock_session(db, at.session)
    session.stage = Stage.REVIEW
    await db.flush()
    impact = await rollback.rollback_impact(db, session, Stage.SITE_INFO_COLLECTION)
    await rollback.roll_back(db, session, impact)


async def _valid_verdict(db: AsyncSession, at: Sample) -> None:
    await validations.valid_verdict(db, await sessions.get_session(db, at.session))


async def _review_counts(db: AsyncSession, at: Sample) -> None:
    verdict = await validations.latest_validation(db, at.session)
    await session_contents.review_counts(db, at.session, verdict)


async def _failures_after(db: AsyncSession, at: Sample) -> None:
    first = await failures.failures_after(db, None, session_id=at.session, limit=5)
    await failures.failures_after(db, first[-1], session_id=at.session, limit=5)


async def _dependencies_of(db: AsyncSession, at: Sample) -> None:
    await tickets.dependencies_of(db, await tickets.list_tickets(db, at.session))


async def _depend(db: AsyncSession, at: Sample) -> None:
    ticket = await _ticket(db, at, at.other_ticket)
    needed = await _ticket(db, at, at.ticket)
    needs = await ticket_dependencies.everything_needed(db, needed.id)
    await ticket_dependencies.require_no_circle(db, ticket, needed, needs)
    await ticket_dependencies.add_dependency(db, ticket, needed)
    await ticket_dependencies.remove_dependency(db, ticket, needed.id)


async def _pull_before(db: AsyncSession, at: Sample) -> None:
    ticket = await _ticket(db, at, at.ticket)
    needed = await _ticket(db, at, at.other_ticket)
    await ticket_order.pull_before(db, ticket, needed, [needed.id])


async def _move_ticket(db: AsyncSession, at: Sample) -> None:
    ticket = await _ticket(db, at, at.ticket)
    needed = (await ticket_dependencies.needs_of(db, ticket.id))[0]
    await ticket_order.move_ticket(db, ticket, Side.AFTER, await _ticket(db, at, needed.id))


async def _put_generated(db: AsyncSession, at: Sample) -> None:
    item = GeneratedTicket(
        key="new",
        csv_type="bundles",
        entity_group="Group",
        title="New",
        description="New.",
        writer="template",
    )
    session = await sessions.lock_session(db, at.session)
    await put_generated(db, session, [item], keep_edits=False)


async def _edit(db: AsyncSession, at: Sample) -> None:
    session = await sessions.lock_session(db, at.session)
    ticket = await _ticket(db, at, at.ticket)
    ticket.title, ticket.revision = "Edited", ticket.revision + 1
    sessions.bump_content(session)
    audit.record(db, "ticket.edited", session_id=at.session, subject=ticket.id)
    await db.flush()


async def _content(db: AsyncSession, at: Sample) -> None:
    upload = await uploads.get_upload(db, session_id=at.session, upload_id=at.upload)
    await uploads.read_content(db, upload)


def _at(at: Sample) -> TicketFilter:
    return TicketFilter(entity_group="Group 1", containing="component")


QUESTIONS: dict[str, Question] = {
    "sessions.get_session": lambda db, at: sessions.get_session(db, at.session),
    "sessions.lock_session": lambda db, at: sessions.lock_session(db, at.session),
    "sessions.lock_session_if_free": lambda db, at: sessions.lock_session_if_free(db, at.session),
    "sessions.list_sessions": lambda db, at: sessions.list_sessions(db, owner_id=at.owner),
    "sessions.list_sessions (everybody's)": lambda db, at: sessions.list_sessions(
        db, owner_id=None
    ),
    "sessions.list_sessions (everybody's, in a stage)": lambda db, at: sessions.list_sessions(
        db, owner_id=None, stages=[Stage.REVIEW]
    ),
    "sessions.list_sessions (everybody's, by words)": lambda db, at: sessions.list_sessions(
        db, owner_id=None, containing="site about"
    ),
    "sessions.count_sessions": lambda db, at: sessions.count_sessions(db, owner_id=at.owner),
    "sessions.count_sessions (everybody's)": lambda db, at: sessions.count_sessions(
        db, owner_id=None
    ),
    "sessions.list_recoverable": lambda db, at: sessions.list_recoverable(
        db, owner_id=at.owner, retention=_WEEK, limit=100, offset=0
    ),
    "sessions.count_by_stage": lambda db, at: sessions.count_by_stage(db),
    "sessions.count_expired_sessions": lambda db, at: sessions.count_expired_sessions(
        db, retention=_WEEK, limit=10_000
    ),
    "sessions.delete_expired_sessions": lambda db, at: sessions.delete_expired_sessions(
        db, retention=_WEEK, limit=1
    ),
    "sessions.delete_session": _delete_session,
    "recovery.recoverable": _recoverable,
    "recovery.active_runs_of": lambda db, at: recovery.active_runs_of(db, at.sessions),
    "rollback.rollback_impact, roll_back": _roll_back,
    "session_contents.counts_of": lambda db, at: session_contents.counts_of(db, at.sessions),
    "session_contents.remains_of": lambda db, at: session_contents.remains_of(db, at.session),
    "session_contents.review_counts": _review_counts,
    "session_contents.done_elsewhere": lambda db, at: session_contents.done_elsewhere(
        db, at.session
    ),
    "session_contents.edited_titles": lambda db, at: session_contents.edited_titles(
        db, at.session, limit=200
    ),
    "session_contents.file_digests": lambda db, at: session_contents.file_digests(db, at.session),
    "session_contents.rows_of_plugin": lambda db, at: session_contents.rows_of_plugin(
        db, ProcessingBase.metadata, at.session
    ),
    "uploads.get_upload, read_content": _content,
    "uploads.list_uploads": lambda db, at: uploads.list_uploads(db, at.session),
    "uploads.usage": lambda db, at: uploads.usage(db, at.session),
    "uploads.put_upload": lambda db, at: uploads.put_upload(
        db,
        session_id=at.session,
        file_name="new.csv",
        csv_type="bundles",
        row_count=1,
        content=b"new",
    ),
    "uploads.delete_replaced": lambda db, at: uploads.delete_replaced(
        db, session_id=at.session, files=["Sheet 1.csv"], keep=[]
    ),
    "uploads.delete_uploads": lambda db, at: uploads.delete_uploads(db, at.session),
    "tickets.get_ticket": lambda db, at: tickets.get_ticket(
        db, session_id=at.session, ticket_id=at.ticket
    ),
    "tickets.get_ticket (edited)": _edit,
    "tickets.list_tickets": lambda db, at: tickets.list_tickets(db, at.session),
    "tickets.count_by_group": lambda db, at: tickets.count_by_group(db, at.session),
    "tickets.dependencies_of": _dependencies_of,
    "tickets.delete_tickets": lambda db, at: tickets.delete_tickets(db, at.session),
    "generated_tickets.count_reworded": lambda db, at: count_reworded(db, at.session),
    "generated_tickets.put_generated": _put_generated,
    "ticket_lists.list_lines": lambda db, at: ticket_lists.list_lines(
        db, at.session, TicketFilter(), limit=100, offset=0
    ),
    "ticket_lists.list_lines (filtered)": lambda db, at: ticket_lists.list_lines(
        db, at.session, _at(at), limit=100, offset=0
    ),
    "ticket_lists.count_groups": lambda db, at: ticket_lists.count_groups(db, at.session, _at(at)),
    "ticket_dependencies.needs_of": lambda db, at: ticket_dependencies.needs_of(db, at.ticket),
    "ticket_dependencies.needed_by": lambda db, at: ticket_dependencies.needed_by(db, at.ticket),
    "ticket_dependencies.everything_needed, require_no_circle, "
    "add_dependency, remove_dependency": _depend,
    "ticket_order.pull_before": _pull_before,
    "ticket_order.move_ticket": _move_ticket,
    "ticket_assignment.require_tickets": lambda db, at: ticket_assignment.require_tickets(
        db, at.session, [at.ticket]
    ),
    "ticket_assignment.assign_tickets": lambda db, at: ticket_assignment.assign_tickets(
        db, at.session, {"assignee": "ada"}, ticket_ids=[at.ticket, at.other_ticket]
    ),
    "validations.latest_validation": lambda db, at: validations.latest_validation(db, at.session),
    "validations.valid_verdict": _valid_verdict,
    "validations.ticket_results": lambda db, at: validations.ticket_results(
        db, at.verdict, passed=False, limit=100
    ),
    "validations.read_documents": lambda db, at: validations.read_documents(db, at.verdict),
    "validations.count_warnings": lambda db, at: validations.count_warnings(db, at.verdict),
    "validations.delete_validations": lambda db, at: validations.delete_validations(db, at.session),
    "artifacts.list_artifacts": lambda db, at: artifacts.list_artifacts(db, at.lineage),
    "artifacts.read_artifact": lambda db, at: artifacts.read_artifact(db, at.lineage, "1.json"),
    "artifacts.read_artifacts": lambda db, at: artifacts.read_artifacts(db, at.lineage),
    "artifacts.put_artifact": lambda db, at: artifacts.put_artifact(
        db,
        session_id=at.session,
        lineage_id=at.lineage,
        name="1.json",
        media_type="application/json",
        content=b"{}",
    ),
    "failures.list_failures": lambda db, at: failures.list_failures(db, session_id=at.session),
    "failures.list_failures (filtered)": lambda db, at: failures.list_failures(
        db, session_id=at.session, only=FailureFilter(task_id=at.settled, severity="blocking")
    ),
    "failures.count_failures": lambda db, at: failures.count_failures(db, session_id=at.session),
    "failures.failures_after": _failures_after,
    "failures.group_failures": lambda db, at: failures.group_failures(db, session_id=at.session),
    "failures.last_failures": lambda db, at: failures.last_failures(db, at.sessions),
    "failures.failures_of_run": lambda db, at: failures.failures_of_run(db, at.settled),
    "failures.record_failure": lambda db, at: failures.record_failure(
        db, TemporaryError("Busy."), operation_stage="export", session_id=at.session
    ),
    "audit.list_entries": lambda db, at: audit.list_entries(db, at.session, limit=100),
    "audit.list_entries (of a ticket)": lambda db, at: audit.list_entries(
        db, at.session, subject=str(at.ticket), limit=100
    ),
    "audit.count_entries": lambda db, at: audit.count_entries(db, at.session),
    "audit.count_old_entries": lambda db, at: audit.count_old_entries(
        db, retention=timedelta(days=90), limit=10_000
    ),
    "audit.delete_old_entries": lambda db, at: audit.delete_old_entries(
        db, retention=timedelta(days=90), limit=100
    ),
}
"""Function, and variant, of the domain → a call of it."""
