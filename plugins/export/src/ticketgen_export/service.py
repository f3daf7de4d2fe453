"""Exporting tickets: the public side validates and starts, the internal side sends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ticketgen import Contributions, StartContext, StartedRun, Starter, TaskContext
from ticketgen.domain import artifacts, task_runs, tickets, validations
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
        follows_another=await task_runs.latest_run(
            start.db, session_id=session.id, task_type="export"
        )
        is not None,
    )


async def execute_session_export(ctx: TaskContext, payload: ExportPayload) -> ExportSummary:
    """Send every ticket in order of work, then complete; go on where an earlier attempt stopped."""
    target = _target(ctx.contributions, payload.target)
    wanted = await _read(ctx, payload.validation_id)
    sent: dict[UUID, SentTicket] = {}
    last: str | None = None
    for number, ticket in enumerate(wanted):
        await ctx.progress(
            95.0 * number / len(wanted),
            f"Exporting {ticket.entity_group}",
            done=number,
            of=len(wanted),
            ticket=ticket.title,
        )
        sent[ticket.id] = await _send(ctx, payload, target, ticket, last)
        last = sent[ticket.id].reference
    await ctx.progress(95, "Completing the export", done=len(wanted), of=len(wanted))
    with ctx.remote():
        files = await target.complete(wanted, sent, _sending(ctx, payload))
    await _keep(ctx, files)
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
        unsettled=payload.follows_another or ctx.run.attempt > 1,
        **more,
    )


async def _read(ctx: TaskContext, validation_id: UUID) -> list[ExportTicket]:
    async with ctx.transaction() as db:
        found = await tickets.list_tickets(db, ctx.session_id)
        needed = await tickets.dependencies_of(db, found)
        documents = await validations.read_documents(db, validation_id)
    return [
        ExportTicket(
            id=ticket.id,
            key=ticket.key,
            position=ticket.position,
            title=ticket.title,
            description=ticket.description,
            document=documents[ticket.id],
            entity_group=ticket.entity_group,
            csv_type=ticket.csv_type,
            depends_on=tuple(needed[ticket.id]),
            assignee=ticket.assignee,
            sprint=ticket.sprint,
            sources=tuple(
                Source(file=source["file"], rows=tuple(source["rows"])) for source in ticket.sources
            ),
        )
        for ticket in found
    ]


async def _send(
    ctx: TaskContext,
    payload: ExportPayload,
    target: ExportTarget,
    ticket: ExportTicket,
    last_reference: str | None,
) -> SentTicket:
    """Send one ticket as a step: its files first, then the result that says it is done."""

    async def send() -> dict[str, Any]:
        with ctx.remote():
            result = await target.send(
                ticket,
                _sending(
                    ctx,
                    payload,
                    idempotency_key=f"{ctx.session_id}:{ticket.id}",
                    last_reference=last_reference,
                ),
            )
        await _keep(ctx, result.files)
        return result.without_files().model_dump(mode="json")

    return SentTicket.model_validate(await ctx.step(f"send:{ticket.id}", send))


async def _keep(ctx: TaskContext, files: Iterable[ExportedFile]) -> None:
    async with ctx.transaction() as db:
        for file in files:
            await artifacts.put_artifact(
                db,
                session_id=ctx.session_id,
                lineage_id=ctx.run.lineage_id,
                name=file.name,
                media_type=file.media_type,
                content=file.content,
            )
