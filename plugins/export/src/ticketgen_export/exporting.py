"""One attempt at an export: every ticket in order of work, then what completes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from ticketgen import TaskContext
from ticketgen.domain import artifacts, sessions, tickets, validations
from ticketgen.domain.descriptions import ShortForm, short_form_of
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import TemporaryError
from ticketgen.provides import (
    ExportContext,
    ExportedFile,
    ExportTarget,
    ExportTicket,
    Sending,
    SentTicket,
    Source,
)
from ticketgen_export.patience import Patience
from ticketgen_export.reporting import report_on
from ticketgen_export.results import Destination, complete_results
from ticketgen_export.results_page import results_files
from ticketgen_export.schemas import ExportPayload, ExportSummary
from ticketgen_export.sending import Sender
from ticketgen_export.targets import owned_target

__all__ = ["execute_session_export"]

_OF_SENDING = 90.0
"""Per cent of the whole that the tickets themselves are counted as."""


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    ticket: ExportTicket
    revision: int


@dataclass(kw_only=True)
class _Export:
    """What one attempt has to do, and how far it is."""

    ctx: TaskContext
    patience: Patience
    wanted: Sequence[_Wanted]
    sent: dict[UUID, SentTicket] = field(default_factory=dict)
    last: str | None = None
    percentage: float = 0.0
    """As it was told last."""

    async def send_all(self, sender: Sender) -> None:
        """Send every ticket that is not there yet; several by one call where the target can."""
        await self._tell(self.wanted[0].ticket)
        await sender.note_newest()
        position = 0
        while position < len(self.wanted):
            batch = await self._batch(sender, position)
            if len(batch) > 1:
                await self._tell(batch[0].ticket)
                await sender.send_together([one.ticket for one in batch], last=self.last)
            for one in batch:
                await self._tell(one.ticket)
                result = await sender.send_once(one.ticket, one.revision, last=self.last)
                self.sent[one.ticket.id] = result
                self.last = result.reference
            position += len(batch)

    async def _batch(self, sender: Sender, position: int) -> Sequence[_Wanted]:
        """The tickets from here on that go by one call; one, if it goes by itself."""
        first = self.wanted[position]
        target = sender.target
        if target.send_many is None:
            return [first]
        sending = sender.sending(None)
        batch: list[_Wanted] = []
        most = target.many(first.ticket, sending)
        for one in self.wanted[position : position + most]:
            if target.many(one.ticket, sending) < 2:
                break
            if await sender.is_sent(one.ticket, one.revision):
                break
            batch.append(one)
        return batch or [first]

    async def _tell(self, ticket: ExportTicket) -> None:
        share = _OF_SENDING * len(self.sent) / len(self.wanted)
        await self._say(share, f"Exporting {ticket.entity_group}", ticket=ticket.title)

    async def _say(self, percentage: float, stage: str, **details: Any) -> None:
        self.percentage = percentage
        await self.ctx.progress(
            percentage, stage, done=len(self.sent), of=len(self.wanted), **details
        )

    async def patiently(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """What a call gives, tried again for a while; whoever watches hears why it takes long."""

        async def told(error: TemporaryError) -> None:
            await self._say(self.percentage, f"Waiting: {error.message}")

        return await self.patience.over(work, told=told)

    async def complete(self, sender: Sender) -> int:
        """End the export; how many files there are to download."""

        async def tell(percentage: float, stage: str) -> None:
            share = _OF_SENDING + (99.0 - _OF_SENDING) * min(100.0, max(0.0, percentage)) / 100
            await self._say(share, stage)

        await tell(0, "Completing the export")
        sending = Sending(**sender.with_effects(sender.sending(None), progress=tell))
        with self.ctx.remote():
            completed = await sender.target.complete(
                [one.ticket for one in self.wanted], self.sent, sending
            )
        await sender.keep_files(completed.files)
        async with self.ctx.transaction() as db:
            await complete_results(db, sender.destination, completed.manual_fixes)
        await sender.keep_files(await self._results(sender))
        async with self.ctx.transaction() as db:
            kept = await artifacts.list_artifacts(db, self.ctx.run.lineage_id)
        for ticket_id, fixes in completed.manual_fixes.items():
            result = self.sent[ticket_id]
            self.sent[ticket_id] = result.model_copy(
                update={"manual_fixes": (*result.manual_fixes, *fixes)}
            )
        return len(kept)

    async def _results(self, sender: Sender) -> tuple[ExportedFile, ...]:
        """Where everything is now, to keep; a target that makes files only says it by them."""
        if sender.target.find is None:
            return ()
        async with self.ctx.transaction() as db:
            session = await sessions.get_session(db, self.ctx.session_id)
            report = await report_on(db, sender.destination)
        return results_files(report, title=f"Export of {session.name}")


async def execute_session_export(ctx: TaskContext, payload: ExportPayload) -> ExportSummary:
    """Send every ticket in order of work, then complete; go on where an earlier attempt stopped."""
    plugin, target = owned_target(ctx.contributions, payload.target)
    export = _Export(
        ctx=ctx,
        patience=Patience(whole=ctx.settings.patience, longest_pause=ctx.settings.longest_pause),
        wanted=await _read(ctx, payload.validation_id),
    )
    async with _opened(ctx, plugin, target, payload) as outlet:
        sender = Sender(
            ctx=ctx,
            target=target,
            destination=Destination(
                session_id=ctx.session_id,
                target=target.name,
                place=payload.place if payload.place is not None else payload.project_key or "",
            ),
            project_key=payload.project_key,
            options=payload.options,
            outlet=outlet,
            patiently=export.patiently,
        )
        await export.send_all(sender)
        files = await export.complete(sender)
    return ExportSummary(
        target=target.name,
        tickets_exported=len(export.sent),
        files=files,
        manual_fixes=[fix for result in export.sent.values() for fix in result.manual_fixes],
    )


@asynccontextmanager
async def _opened(
    ctx: TaskContext, plugin: str, target: ExportTarget, payload: ExportPayload
) -> AsyncIterator[Any]:
    """What the calls to the target share, for the length of an attempt."""
    if target.open is None:
        yield None
        return
    context = ExportContext(
        session_id=ctx.session_id,
        user_id=payload.user_id,
        project_key=payload.project_key,
        options=payload.options,
        settings=ctx.contributions.settings_of(plugin),
        state=ctx.states.get(plugin),
    )
    with ctx.remote():
        async with target.open(context) as outlet:
            yield outlet


async def _read(ctx: TaskContext, validation_id: UUID) -> list[_Wanted]:
    """Every ticket with its revision, in order of work."""
    async with ctx.transaction() as db:
        found = await tickets.list_tickets(db, ctx.session_id)
        needed = await tickets.dependencies_of(db, found)
        documents = await validations.read_documents(db, validation_id)
    return [
        _Wanted(
            ticket=_export_ticket(ticket, documents[ticket.id], needed[ticket.id]),
            revision=ticket.revision,
        )
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
