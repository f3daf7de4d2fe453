"""Writing one ticket anew, from the sheets as they are."""

from __future__ import annotations

from ticketgen import StartContext, TaskContext
from ticketgen.domain import audit, sessions, task_runs, tickets
from ticketgen.domain.generated_tickets import rewrite_ticket
from ticketgen.domain.task_runs import ACTIVE_STATES
from ticketgen.domain.tickets import Ticket
from ticketgen.provides import Brief, SiteContext
from ticketgen_processing.errors import ComponentGoneError, StaleTicketError
from ticketgen_processing.examining import read_and_examine
from ticketgen_processing.generating import as_generated
from ticketgen_processing.reports import accepted_identities
from ticketgen_processing.schemas import RegeneratePayload, RegenerateRequest, RegenerateSummary
from ticketgen_processing.texts import limit_of
from ticketgen_processing.writing_all import briefs_of, find_writer, write_one

__all__ = ["execute_regeneration", "prepare_regeneration"]


async def prepare_regeneration(
    start: StartContext, request: RegenerateRequest
) -> RegeneratePayload:
    """Whether the ticket is as the caller has read it, and what the run has to know.

    Raises:
        NotFoundError: the session has no such ticket.
        StaleTicketError: it was changed since, or is being written anew already.
        UnknownWriterError: the session's writer is not installed.
    """
    session = start.require_session()
    ticket = await tickets.get_ticket(
        start.db, session_id=session.id, ticket_id=request.ticket_id, lock=True
    )
    _require_revision(ticket, request.revision)
    for run in await task_runs.list_runs(
        start.db,
        session_id=session.id,
        task_type="processing.regenerate",
        states=ACTIVE_STATES,
        limit=1_000,
    ):
        if run.payload.get("ticket_id") == str(ticket.id):
            raise StaleTicketError(
                "This ticket is being written anew already.",
                recovery_actions=[f"Wait until the run {run.id} has ended."],
            )
    find_writer(start.contributions, session.writer)
    return RegeneratePayload(
        ticket_id=ticket.id,
        ticket_key=ticket.key,
        revision=ticket.revision,
        edits=request.edits,
        writer=session.writer,
        project_name=session.name,
        description=session.description,
    )


async def execute_regeneration(ctx: TaskContext, payload: RegeneratePayload) -> RegenerateSummary:
    """Write the ticket anew; order and dependencies stay as they are.

    Raises:
        ComponentGoneError: the sheets have no component for it any more.
        StaleTicketError: somebody changed it in the meantime; nothing was changed.
        TicketgenError: what the writer raises, or a sheet that cannot be read.
    """
    await ctx.progress(0, "Reading the sheets")
    brief = await _brief(ctx, payload)
    async with ctx.transaction() as db:
        budget = await limit_of(db, ctx.run, settled=ctx.settings.budget, asked=None)
    written = await write_one(ctx, payload.writer, brief, budget=budget)
    generated = as_generated(
        brief.component, written.texts[payload.ticket_key], writer=payload.writer
    )
    await ctx.progress(95, "Storing the ticket")
    async with ctx.transaction() as db:
        session = await sessions.lock_session(db, ctx.session_id)
        ticket = await tickets.get_ticket(
            db, session_id=session.id, ticket_id=payload.ticket_id, lock=True
        )
        _require_revision(ticket, payload.revision)
        rewrite_ticket(ticket, generated, keep_edits=payload.edits == "keep")
        sessions.bump_content(session)
        audit.record(
            db,
            "ticket.regenerated",
            actor_id=ctx.run.requested_by,
            session_id=session.id,
            subject=ticket.key,
            details={
                "edits": payload.edits,
                "writer": payload.writer,
                "revision": ticket.revision,
                "task_id": str(ctx.run.id),
            },
        )
        return RegenerateSummary(
            ticket_id=ticket.id,
            revision=ticket.revision,
            edits_kept=ticket.is_edited,
            cost=written.cost,
        )


async def _brief(ctx: TaskContext, payload: RegeneratePayload) -> Brief:
    async with ctx.transaction() as db:
        accepted = await accepted_identities(db, ctx.session_id)
    _, examined = await read_and_examine(ctx, accepted, until=10)
    site = SiteContext(project_name=payload.project_name, description=payload.description)
    for brief in briefs_of(examined.components, site):
        if brief.component.key == payload.ticket_key:
            return brief
    raise ComponentGoneError(
        f"The sheets have no component {payload.ticket_key!r} any more.",
        recovery_actions=["Generate the tickets of the session anew."],
    )


def _require_revision(ticket: Ticket, revision: int) -> None:
    if ticket.revision != revision:
        raise StaleTicketError(
            f"The ticket is at revision {ticket.revision}, not at {revision} any more.",
            recovery_actions=["Read it again, and decide on what it says now."],
        )
