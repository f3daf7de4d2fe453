"""Generating the tickets of a session: from the sheets to stored tickets, all of them or none."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from ticketgen import StartContext, TaskContext
from ticketgen.domain import sessions
from ticketgen.domain.generated_tickets import (
    GeneratedTicket,
    PutTickets,
    count_reworded,
    put_generated,
)
from ticketgen.provides import Component, SiteContext, WrittenText
from ticketgen_processing.checking import require_uploads
from ticketgen_processing.errors import EditedTicketsError, NoTicketsError, SheetErrorsError
from ticketgen_processing.examining import Examination, open_errors, read_and_examine
from ticketgen_processing.rendering import render
from ticketgen_processing.reports import accepted_identities, put_report
from ticketgen_processing.schemas import GeneratePayload, GenerateRequest, GenerateSummary
from ticketgen_processing.texts import limit_of
from ticketgen_processing.writing_all import WrittenTexts, briefs_of, find_writer, write_all

__all__ = ["as_generated", "execute_ticket_generation", "prepare_generation"]

_READ, _WRITTEN = 10.0, 95.0
"""Percentages at which the sheets are checked, and all tickets written."""

_MOST_NAMED = 5


async def prepare_generation(start: StartContext, request: GenerateRequest) -> GeneratePayload:
    """Whether tickets can be generated now, and what the run has to know.

    Raises:
        NoUploadsError: the session has no files.
        EditedTicketsError: tickets were edited, and nobody said what becomes of the edits.
        UnknownWriterError: the session's writer is not installed.
    """
    session = start.require_session()
    await require_uploads(start)
    edited = await count_reworded(start.db, session.id)
    if edited and request.edits == "ask":
        raise EditedTicketsError(
            f"{edited} {'ticket was' if edited == 1 else 'tickets were'} edited; generating anew "
            "has to be told what becomes of the edits.",
            recovery_actions=[
                "Start again with `edits` set to `keep`: their words stay, the others are written "
                "anew.",
                "Or with `drop`: the edits are lost.",
            ],
        )
    find_writer(start.contributions, session.writer)
    return GeneratePayload(
        writer=session.writer,
        project_name=session.name,
        description=session.description,
        edits=request.edits,
        budget=request.budget,
    )


async def execute_ticket_generation(ctx: TaskContext, payload: GeneratePayload) -> GenerateSummary:
    """Check the sheets, write every ticket, and store all of them in one transaction.

    Texts that cost something are kept as they come: another attempt, or another generation, asks
    for the rest only.

    Raises:
        UnreadableUploadError: a stored file cannot be read.
        SheetErrorsError: the sheets hold errors that nobody has accepted.
        NoTicketsError: no row is left to make a ticket from.
        BudgetSpentError: the session's writers may spend no more.
        TicketgenError: what the writer raises.
    """
    await ctx.progress(0, "Reading the sheets")
    async with ctx.transaction() as db:
        accepted = await accepted_identities(db, ctx.session_id)
    digest, examined = await read_and_examine(ctx, accepted, until=_READ)
    async with ctx.transaction() as db:
        await put_report(
            db, session_id=ctx.session_id, run_id=ctx.run.id, digest=digest, examined=examined
        )
    _require_sound(examined)
    written = await _written(ctx, payload, examined.components)
    await ctx.progress(_WRITTEN, "Storing the tickets")
    # In a thread: ten thousand tickets take seconds, in which the worker's other runs go on.
    tickets = await asyncio.to_thread(_rendered, examined.components, written, payload.writer)
    async with ctx.transaction() as db:
        session = await sessions.lock_session(db, ctx.session_id)
        put = await put_generated(db, session, tickets, keep_edits=payload.edits == "keep")
    return _summary(tickets, examined, written, put)


def _rendered(
    components: Sequence[Component], written: WrittenTexts, writer: str
) -> list[GeneratedTicket]:
    return [
        as_generated(component, written.texts[component.key], writer=writer)
        for component in components
    ]


def as_generated(component: Component, text: WrittenText, *, writer: str) -> GeneratedTicket:
    """A component and its text as the ticket that is stored."""
    rendered = render(component, text)
    return GeneratedTicket(
        key=rendered.key,
        csv_type=rendered.csv_type,
        entity_group=rendered.entity_group,
        title=rendered.title,
        description=rendered.description,
        writer=writer,
        sources=tuple(
            {"file": source.file, "rows": list(source.rows)} for source in rendered.sources
        ),
        notes=rendered.notes,
        depends_on=rendered.depends_on,
    )


def _require_sound(examined: Examination) -> None:
    blocking = examined.blocking
    if blocking:
        count = sum(open_errors(group, examined.accepted) for group in blocking)
        named = [f"{group.place}: {group.title} ({group.id})" for group in blocking[:_MOST_NAMED]]
        more = len(blocking) - len(named)
        raise SheetErrorsError(
            f"{count} {'error' if count == 1 else 'errors'} in the sheets would make wrong "
            f"tickets: "
            f"{'; '.join(named)}{f'; and {more} kinds more' if more else ''}.",
            recovery_actions=[
                "See them with GET /api/processing/findings/{session_id} or `ticketgen findings "
                "show`, mend the sheets and upload them again.",
                "Or accept groups of them as they are with POST "
                "/api/processing/findings/{session_id}/accept or `ticketgen findings accept`; "
                "the tickets then say so.",
            ],
            technical_details={"groups": [group.id for group in blocking]},
        )
    if not examined.components:
        raise NoTicketsError(
            "The files hold no row a ticket could be made from.",
            recovery_actions=["Upload sheets with at least one component."],
        )


async def _written(
    ctx: TaskContext, payload: GeneratePayload, components: Sequence[Component]
) -> WrittenTexts:
    site = SiteContext(project_name=payload.project_name, description=payload.description)
    budget = await _budget(ctx, payload.budget)
    return await write_all(
        ctx,
        payload.writer,
        tuple(briefs_of(components, site)),
        budget=budget,
        between=(_READ, _WRITTEN),
    )


async def _budget(ctx: TaskContext, asked: Decimal | None) -> Decimal:
    """What the session may have cost at the end of this run."""
    async with ctx.transaction() as db:
        return await limit_of(db, ctx.run, settled=ctx.settings.budget, asked=asked)


def _summary(
    tickets: Sequence[GeneratedTicket],
    examined: Examination,
    written: WrittenTexts,
    put: PutTickets,
) -> GenerateSummary:
    rows: Counter[str] = Counter()
    for ticket in tickets:
        for source in ticket.sources:
            rows[str(source["file"])] += len(source["rows"])
    return GenerateSummary(
        tickets_generated=len(tickets),
        groups=examined.by_group,
        files=dict(sorted(rows.items())),
        errors=examined.errors,
        warnings=examined.warnings,
        dependencies=put.dependencies,
        edits_kept=put.edits_kept,
        edits_outdated=put.edits_outdated,
        tickets_deleted=put.deleted,
        texts_reused=written.reused,
        texts_written=written.written,
        cost=written.cost,
    )
