"""The target `file`: a folder with the tickets as ADF, as JSON lines and as CSV for Jira."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.errors import InvalidInputError
from ticketgen.provides import (
    CompletedExport,
    ExportContext,
    ExportTarget,
    ExportTicket,
    PreparedExport,
    Sending,
    SentTicket,
)
from ticketgen_export.rendering import adf_file, attached_files, overview_files

__all__ = ["FILE_TARGET"]


async def _prepare(_db: AsyncSession, context: ExportContext) -> PreparedExport:
    if context.options:
        raise InvalidInputError(
            f"The target `file` takes no options, and was given {', '.join(context.options)}.",
            recovery_actions=["Leave them out, or choose another target."],
        )
    return PreparedExport(options={})


async def _send(ticket: ExportTicket, _sending: Sending) -> SentTicket:
    file = adf_file(ticket)
    files = (file, *attached_files(ticket))
    return SentTicket(ticket_id=ticket.id, reference=file.name, files=files)


async def _complete(
    tickets: Sequence[ExportTicket], _sent: Mapping[UUID, SentTicket], _sending: Sending
) -> CompletedExport:
    return CompletedExport(files=overview_files(tickets))


FILE_TARGET = ExportTarget(
    name="file",
    summary="Files to download: ADF documents, tickets.jsonl and a CSV for Jira's importer.",
    prepare=_prepare,
    send=_send,
    complete=_complete,
)
"""Creates nothing elsewhere, so sending a ticket twice gives the same file twice."""
