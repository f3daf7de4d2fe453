"""Checking the sheets of a session without writing a ticket: the report, and what it would take."""

from __future__ import annotations

from ticketgen import NoRequest, StartContext, TaskContext
from ticketgen.domain import uploads
from ticketgen.errors import TicketgenError
from ticketgen.provides import SiteContext
from ticketgen_processing.errors import NoUploadsError
from ticketgen_processing.estimating import estimates
from ticketgen_processing.examining import read_and_examine
from ticketgen_processing.reports import accepted_identities, put_report
from ticketgen_processing.schemas import CheckPayload, CheckSummary
from ticketgen_processing.texts import known_digests
from ticketgen_processing.writing_all import briefs_of, find_writer

__all__ = ["execute_check", "prepare_check", "require_uploads"]


async def prepare_check(start: StartContext, request: NoRequest) -> CheckPayload:
    """Whether there is something to check.

    Raises:
        NoUploadsError: the session has no files.
    """
    session = start.require_session()
    await require_uploads(start)
    return CheckPayload(
        writer=session.writer, project_name=session.name, description=session.description
    )


async def require_uploads(start: StartContext) -> None:
    """Let a session pass that has files.

    Raises:
        NoUploadsError: it has none.
    """
    if not await uploads.list_uploads(start.db, start.require_session().id):
        raise NoUploadsError(
            "The session has no files yet.",
            recovery_actions=["Upload the sheets with POST /api/sessions/{session_id}/uploads."],
        )


async def execute_check(ctx: TaskContext, payload: CheckPayload) -> CheckSummary:
    """Read all sheets, look at them together, and leave the report with what a generation takes.

    Raises:
        UnreadableUploadError: a stored file cannot be read.
    """
    await ctx.progress(0, "Reading the sheets")
    async with ctx.transaction() as db:
        accepted = await accepted_identities(db, ctx.session_id)
    digest, examined = await read_and_examine(ctx, accepted, until=90)
    site = SiteContext(project_name=payload.project_name, description=payload.description)
    briefs = tuple(briefs_of(examined.components, site))
    await ctx.progress(90, "Estimating the writing")
    known = await _known(ctx, payload.writer)
    estimated = estimates(ctx.contributions, briefs, writer=payload.writer, known=known)
    async with ctx.transaction() as db:
        await put_report(
            db,
            session_id=ctx.session_id,
            run_id=ctx.run.id,
            digest=digest,
            examined=examined,
            estimates=estimated,
        )
    return CheckSummary(
        components=len(examined.components),
        groups=examined.by_group,
        errors=examined.errors,
        accepted_errors=examined.accepted_errors,
        warnings=examined.warnings,
    )


async def _known(ctx: TaskContext, writer_name: str) -> tuple[str, frozenset[str]]:
    """The version of the session's writer, and which texts of the session are stored.

    A writer that cannot be opened, for want of a key, has no version; nothing counts as known.
    """
    try:
        owner, writer = find_writer(ctx.contributions, writer_name)
        if not writer.paid:
            return "", frozenset()
        async with writer.open(ctx.contributions.settings_of(owner)) as opened:
            version = opened.version
    except TicketgenError:
        return "", frozenset()
    async with ctx.transaction() as db:
        return version, await known_digests(db, ctx.session_id)
