"""Exporting tickets: the public side validates and starts, the internal side sends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from ticketgen import Contributions, StartContext, StartedRun, Starter, TaskContext
from ticketgen.domain import artifacts, tickets, validations
from ticketgen.domain.descriptions import ShortForm, short_form_of
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.provides import (
    ExportedFile,
    ExportTarget,
    ExportTicket,
    Sending,
    SentTicket,
    Source,
)
from ticketgen_export.errors import ExportBlockedError, UnknownTargetError
from ticketgen_export.schemas import ExportPayload, ExportRequest, ExportSummary
from ticketgen_export.sending import keep_files, send_once

__all__ = ["ExportService", "execute_session_export", "prepare_export"]


class ExportService:
    """Starts exports."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def export_session(
        self, session_id: UUID, request: ExportRequest, *, user: User | None
    ) -> StartedRun:
        """Validate the session and store the run.

        Raises:
            TicketgenError: as `prepare_export`, or what the session's state refuses.
        """
        return await self._starter.start(
            "export", session_id=session_id, request=request, user=user
        )


async def prepare_export(start: StartContext, request: ExportRequest) -> ExportPayload:
    """Whether the session may be exported now, and the verdict whose documents are sent.

    Raises:
        UnknownTargetError: the target is not installed.
        ExportBlockedError: a gate is closed, or there is no fresh verdict that passed.
    """
    session = start.require_session()
    _target(start.contributions, request.target)
    blockers = await start.hooks.export_blockers(start.db, session)
    if blockers:
        raise ExportBlockedError(
            " ".join(blocker.message for blocker in blockers),
            recovery_actions=[step for blocker in blockers for step in blocker.recovery_actions],
            technical_details={"blockers": [blocker.code for blocker in blockers]},
        )
    verdict = await validations.valid_verdict(start.db, session)
    if verdict is None:
        raise ExportBlockedError(
            "The tickets have no valid verdict, and so no documents to send.",
            recovery_actions=["Validate them; this needs the plugin adf_validation."],
        )
    return ExportPayload(
        target=request.target,
        options=request.options,
        validation_id=verdict.id,
        project_key=session.jira_project_key,
    )


async def execute_session_export(ctx: TaskContext, payload: ExportPayload) -> ExportSummary:
    """Send every ticket in order of work, then complete; go on where an earlier attempt stopped."""
    target = _target(ctx.contributions, payload.target)
    read = await _read(ctx, payload.validation_id)
    wanted = [ticket for ticket, _ in read]
    sent: dict[UUID, SentTicket] = {}
    last: str | None = None
    for number, (ticket, revision) in enumerate(read):
        await ctx.progress(
            95.0 * number / len(wanted),
            f"Exporting {ticket.entity_group}",
            done=number,
            of=len(wanted),
            ticket=ticket.title,
        )
        sending = _sending(
            ctx,
            payload,
            idempotency_key=f"{ctx.session_id}:{ticket.id}",
            last_reference=last,
        )
        sent[ticket.id] = await send_once(ctx, target, ticket, sending, revision=revision)
        last = sent[ticket.id].reference
    await ctx.progress(95, "Completing the export", done=len(wanted), of=len(wanted))
    with ctx.remote():
        files = await target.complete(wanted, sent, _sending(ctx, payload))
    await keep_files(ctx, files)
    async with ctx.transaction() as db:
        kept = await artifacts.list_artifacts(db, ctx.run.lineage_id)
    return ExportSummary(
        target=target.name,
        tickets_exported=len(sent),
        files=len(kept),
        manual_fixes=[fix for result in sent.values() for fix in result.manual_fixes],
    )


def _target(contributions: Contributions, name: str) -> ExportTarget:
    targets = {target.name: target for target in contributions.provided(ExportTarget)}
    if name not in targets:
        raise UnknownTargetError(
            f"No installed plugin provides the target {name!r}.",
            recovery_actions=[f"Choose one of: {', '.join(targets)}."],
        )
    return targets[name]


def _sending(ctx: TaskContext, payload: ExportPayload, **more: Any) -> Sending:
    return Sending(
        session_id=ctx.session_id,
        project_key=payload.project_key,
        options=payload.options,
        **more,
    )


async def _read(ctx: TaskContext, validation_id: UUID) -> list[tuple[ExportTicket, int]]:
    """Every ticket with its revision, in order of work."""
    async with ctx.transaction() as db:
        found = await tickets.list_tickets(db, ctx.session_id)
        needed = await tickets.dependencies_of(db, found)
        documents = await validations.read_documents(db, validation_id)
    return [
        (_export_ticket(ticket, documents[ticket.id], needed[ticket.id]), ticket.revision)
        for ticket in found
    ]


def _export_ticket(
    ticket: Ticket, document: Mapping[str, Any], needed: Iterable[UUID]
) -> ExportTicket:
    short = short_form_of(ticket.description, key=ticket.key)
    return ExportTicket(
        id=ticket.id,
        key=ticket.key,
        position=ticket.position,
        title=ticket.title,
        description=ticket.description if short is None else short.text,
        document=document,
        entity_group=ticket.entity_group,
        csv_type=ticket.csv_type,
        depends_on=tuple(needed),
        assignee=ticket.assignee,
        sprint=ticket.sprint,
        sources=tuple(
            Source(file=source["file"], rows=tuple(source["rows"])) for source in ticket.sources
        ),
        attachments=() if short is None else (_attachment(short),),
    )


def _attachment(short: ShortForm) -> ExportedFile:
    return ExportedFile(
        name=short.file_name, media_type="text/markdown; charset=utf-8", content=short.content
    )
