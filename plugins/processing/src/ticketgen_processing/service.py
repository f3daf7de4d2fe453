"""Generating tickets: the public side validates and starts, the internal side does the work."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import (
    Contributions,
    Finding,
    RunIdentity,
    Severity,
    StartContext,
    StartedRun,
    Starter,
    TaskContext,
)
from ticketgen.domain import artifacts, run_steps, sessions, tickets, uploads
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.provides import (
    Brief,
    Component,
    CsvType,
    OpenWriter,
    SiteContext,
    Writer,
    WrittenText,
)
from ticketgen_processing.components import Built, build_tickets
from ticketgen_processing.errors import (
    EditedTicketsError,
    NoTicketsError,
    NoUploadsError,
    UnknownWriterError,
    UnreadableUploadError,
)
from ticketgen_processing.parsing import Sheet, parse_sheet
from ticketgen_processing.reading import UnreadableFileError, read_table
from ticketgen_processing.rendering import RenderedTicket, render
from ticketgen_processing.schemas import GeneratePayload, GenerateRequest, GenerateSummary

__all__ = [
    "FINDINGS_FILE",
    "ProcessingService",
    "discard_generation",
    "execute_ticket_generation",
    "prepare_generation",
]

FINDINGS_FILE = "findings.json"

_READ, _WRITTEN = 5.0, 95.0
"""Percentages at which the sheets are read, and all tickets written."""


class ProcessingService:
    """Starts ticket generations."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    async def generate_tickets(
        self, session_id: UUID, request: GenerateRequest, *, user: User | None
    ) -> StartedRun:
        """Validate the session and store the run.

        Raises:
            TicketgenError: as `prepare_generation`, or what the session's state refuses.
        """
        return await self._starter.start(
            "processing", session_id=session_id, request=request, user=user
        )


async def prepare_generation(start: StartContext, request: GenerateRequest) -> GeneratePayload:
    """Whether tickets can be generated now, and what the run has to know.

    Raises:
        NoUploadsError: the session has no files.
        EditedTicketsError: tickets were edited, and replacing them was not asked for.
        UnknownWriterError: the session's writer is not installed.
    """
    session = start.require_session()
    if not await uploads.list_uploads(start.db, session.id):
        raise NoUploadsError(
            "The session has no files yet.",
            recovery_actions=["Upload the sheets with POST /api/sessions/{session_id}/uploads."],
        )
    edited = await tickets.count_edited(start.db, session.id)
    if edited and not request.replace_edited:
        raise EditedTicketsError(
            f"{edited} tickets were edited; generating anew would lose the edits.",
            recovery_actions=["Keep them, or start again with `replace_edited` set to true."],
        )
    _writer(start.contributions, session.writer)
    return GeneratePayload(
        writer=session.writer, project_name=session.name, description=session.description
    )


async def execute_ticket_generation(ctx: TaskContext, payload: GeneratePayload) -> GenerateSummary:
    """Read the sheets, write every ticket, and store all of them in one transaction.

    A written ticket is a step: an attempt that comes after a killed one writes the rest only.

    Raises:
        UnreadableUploadError: a stored file cannot be read.
        NoTicketsError: no row is left to make a ticket from.
    """
    await ctx.progress(0, "Reading the sheets")
    async with ctx.transaction() as db:
        files = await uploads.read_uploads(db, ctx.session_id)
    types = ctx.contributions.provided(CsvType)
    built = await asyncio.to_thread(_build, files, types)
    if not built.components:
        raise NoTicketsError(
            "The files hold no row a ticket could be made from.",
            recovery_actions=["Upload sheets with at least one component."],
        )
    rendered = await _write_all(ctx, payload, built.components)
    await ctx.progress(_WRITTEN, "Storing the tickets")
    await _store(ctx, rendered, built.findings)
    return _summary(rendered, built.findings)


async def discard_generation(db: AsyncSession, run: RunIdentity) -> None:
    """Forget what a cancelled generation has written: nothing of it is kept for a retry."""
    await run_steps.delete_steps(db, run.lineage_id)


def _writer(contributions: Contributions, name: str) -> tuple[str, Writer]:
    """The writer of that name, after the name of the plugin that brings it."""
    writers = {writer.name: (owner, writer) for owner, writer in contributions.owned(Writer)}
    if name not in writers:
        raise UnknownWriterError(
            f"The writer {name!r} is not installed.",
            recovery_actions=[f"Choose one of {', '.join(writers)} for the session."],
        )
    return writers[name]


def _build(files: Mapping[str, tuple[str, bytes]], types: Sequence[CsvType]) -> Built:
    return build_tickets(
        [_sheet(name, csv_type, content, types) for name, (csv_type, content) in files.items()],
        types,
    )


def _sheet(name: str, csv_type: str, content: bytes, types: Sequence[CsvType]) -> Sheet:
    known = {item.name: item for item in types}
    if csv_type not in known:
        raise UnreadableUploadError(
            f"{name} was stored as {csv_type!r}, a type no installed plugin knows any more.",
            recovery_actions=["Upload the file again with another type, or remove it."],
        )
    try:
        return parse_sheet(name, read_table(content, types), known[csv_type])
    except UnreadableFileError as error:
        raise UnreadableUploadError(
            f"{name}: {error.message}", recovery_actions=[error.remedy]
        ) from error


async def _write_all(
    ctx: TaskContext, payload: GeneratePayload, components: Sequence[Component]
) -> list[RenderedTicket]:
    owner, writer = _writer(ctx.contributions, payload.writer)
    site = SiteContext(project_name=payload.project_name, description=payload.description)
    totals = Counter(component.entity_group for component in components)
    done: Counter[str] = Counter()
    rendered = []
    async with writer.open(ctx.contributions.settings_of(owner)) as opened:
        for number, component in enumerate(components):
            group = component.entity_group
            await ctx.progress(
                _READ + (_WRITTEN - _READ) * number / len(components),
                f"Writing {group}",
                group=group,
                done=done[group],
                of=totals[group],
                groups={name: f"{done[name]}/{totals[name]}" for name in totals},
            )
            brief = Brief(component=component, site=site)
            rendered.append(render(component, await _written(ctx, writer, opened, brief)))
            done[group] += 1
    return rendered


async def _written(
    ctx: TaskContext, writer: Writer, opened: OpenWriter, brief: Brief
) -> WrittenText:
    async def write() -> dict[str, Any]:
        with ctx.remote():
            text = await opened.write(brief)
        return {"user_story": text.user_story, "success_criteria": list(text.success_criteria)}

    stored = await ctx.step(_step_key(writer, brief.component, brief.site), write)
    return WrittenText(
        user_story=stored["user_story"], success_criteria=tuple(stored["success_criteria"])
    )


def _step_key(writer: Writer, component: Component, site: SiteContext) -> str:
    """Another key for other facts: a text about a row that was mended since is not used again."""
    facts = repr((writer.name, site, replace(component, position=0)))
    return f"write:{hashlib.sha256(facts.encode()).hexdigest()}"


async def _store(
    ctx: TaskContext, rendered: Sequence[RenderedTicket], findings: Sequence[Finding]
) -> None:
    """Replace the session's tickets by these, all at once."""
    report = json.dumps([finding.model_dump(mode="json") for finding in findings])
    async with ctx.transaction() as db:
        session = await sessions.lock_session(db, ctx.session_id)
        await tickets.delete_tickets(db, session.id)
        rows = {item.key: _row(session.id, item) for item in rendered}
        db.add_all(rows.values())
        await db.flush()
        await tickets.link_tickets(
            db,
            [
                (rows[item.key].id, rows[needed].id)
                for item in rendered
                for needed in item.depends_on
            ],
        )
        sessions.bump_content(session)
        await artifacts.put_artifact(
            db,
            session_id=session.id,
            lineage_id=ctx.run.lineage_id,
            name=FINDINGS_FILE,
            media_type="application/json",
            content=report.encode(),
        )


def _row(session_id: UUID, item: RenderedTicket) -> Ticket:
    return Ticket(
        session_id=session_id,
        key=item.key,
        csv_type=item.csv_type,
        entity_group=item.entity_group,
        position=item.position,
        title=item.title,
        description=item.description,
        generated_title=item.title,
        generated_description=item.description,
        sources=[{"file": source.file, "rows": list(source.rows)} for source in item.sources],
        notes=list(item.notes),
    )


def _summary(rendered: Sequence[RenderedTicket], findings: Sequence[Finding]) -> GenerateSummary:
    rows: Counter[str] = Counter()
    for item in rendered:
        for source in item.sources:
            rows[source.file] += len(source.rows)
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    return GenerateSummary(
        tickets_generated=len(rendered),
        groups=dict(Counter(item.entity_group for item in rendered)),
        files=dict(sorted(rows.items())),
        errors=errors,
        warnings=len(findings) - errors,
        dependencies=sum(len(item.depends_on) for item in rendered),
    )
