"""What sessions hold, counted: files, tickets and verdicts, runs, and what was done elsewhere.

However many sessions are asked for, it is one statement each.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, MetaData, Select, func, select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.artifacts import Artifact
from ticketgen.domain.descriptions import OVERSIZE
from ticketgen.domain.effects import Effect, EffectState
from ticketgen.domain.failures import Failure
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.tickets import Ticket, TicketDependency
from ticketgen.domain.uploads import Upload
from ticketgen.domain.validations import Validation

__all__ = [
    "DoneElsewhere",
    "ReviewCounts",
    "SessionCounts",
    "SessionRemains",
    "counts_of",
    "done_elsewhere",
    "edited_titles",
    "file_digests",
    "remains_of",
    "review_counts",
    "rows_of_plugin",
]


@dataclass(frozen=True, kw_only=True)
class SessionCounts:
    """How much work is in a session."""

    files: int
    file_bytes: int
    tickets: int
    edited_tickets: int
    """Of which a person has changed anything."""
    validated: bool
    """Whether the newest verdict passed and holds for the tickets as they are."""
    last_ending: datetime | None
    """When a run of it ended last."""


@dataclass(frozen=True, kw_only=True)
class SessionRemains:
    """What goes with the tickets, and what its runs have left."""

    dependencies: int
    validations: int
    exported_files: int
    runs: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class DoneElsewhere:
    """What one operation of a plugin has done in another system for a session."""

    plugin: str
    operation: str
    done: int
    unknown: int
    """Calls that may have done their work or not."""


@dataclass(frozen=True, kw_only=True)
class ReviewCounts:
    """What is remarkable about the tickets of a session."""

    tickets: int
    edited: int
    """Of which a person has changed anything."""
    edited_since: int
    """Of them, since the last validation began."""
    oversize: int
    """With a description that goes into an attachment."""
    with_notes: int
    """With sentences about doubtful input."""


async def counts_of(db: AsyncSession, session_ids: Collection[UUID]) -> dict[UUID, SessionCounts]:
    """Session id → what it holds, for every one of them that exists."""
    verdict = (
        select(Validation.passed & (Validation.content_revision == WorkSession.content_revision))
        .where(Validation.session_id == WorkSession.id)
        .order_by(Validation.created_at.desc(), Validation.id.desc())
        .limit(1)
        .correlate(WorkSession)
        .scalar_subquery()
    )
    rows = await db.execute(
        select(
            WorkSession.id,
            _of_each(select(func.count()).where(Upload.session_id == WorkSession.id)),
            _of_each(
                select(func.coalesce(func.sum(Upload.size), 0)).where(
                    Upload.session_id == WorkSession.id
                )
            ),
            _of_each(select(func.count()).where(Ticket.session_id == WorkSession.id)),
            _of_each(
                select(func.count()).where(
                    Ticket.session_id == WorkSession.id, Ticket.edited_at.is_not(None)
                )
            ),
            func.coalesce(verdict, False),
            _of_each(
                select(func.max(TaskRun.finished_at)).where(TaskRun.session_id == WorkSession.id)
            ),
        ).where(WorkSession.id.in_(session_ids))
    )
    return {
        session_id: SessionCounts(
            files=files,
            file_bytes=int(size),
            tickets=tickets,
            edited_tickets=edited,
            validated=validated,
            last_ending=ended,
        )
        for session_id, files, size, tickets, edited, validated, ended in rows
    }


async def remains_of(db: AsyncSession, session_id: UUID) -> SessionRemains:
    """What a session holds beside its files and tickets; all 0 if there is none."""
    dependencies = (
        select(func.count())
        .select_from(TicketDependency)
        .join(Ticket, Ticket.id == TicketDependency.ticket_id)
        .where(Ticket.session_id == session_id, TicketDependency.removed.is_(False))
    )
    row = (
        await db.execute(
            select(
                dependencies.scalar_subquery(),
                *(
                    select(func.count()).where(column == session_id).scalar_subquery()
                    for column in (
                        Validation.session_id,
                        Artifact.session_id,
                        TaskRun.session_id,
                        Failure.session_id,
                    )
                ),
            )
        )
    ).one()
    return SessionRemains(
        dependencies=row[0],
        validations=row[1],
        exported_files=row[2],
        runs=row[3],
        failures=row[4],
    )


async def review_counts(
    db: AsyncSession, session_id: UUID, verdict: Validation | None
) -> ReviewCounts:
    """What a person who is about to export wants to know of the tickets."""
    edited = Ticket.edited_at.is_not(None)
    since = edited if verdict is None else Ticket.edited_at > _begun(verdict)
    row = (
        await db.execute(
            select(
                func.count(),
                func.count().filter(edited),
                func.count().filter(since),
                func.count().filter(func.char_length(Ticket.description) > OVERSIZE),
                func.count().filter(func.jsonb_array_length(Ticket.notes) > 0),
            ).where(Ticket.session_id == session_id)
        )
    ).one()
    return ReviewCounts(
        tickets=row[0], edited=row[1], edited_since=row[2], oversize=row[3], with_notes=row[4]
    )


def _begun(verdict: Validation) -> ColumnElement[datetime]:
    """When its run began to read: an edit made while it worked is not in the verdict."""
    started = select(TaskRun.started_at).where(TaskRun.id == verdict.task_id).scalar_subquery()
    return func.coalesce(started, verdict.created_at)


async def done_elsewhere(db: AsyncSession, session_id: UUID) -> list[DoneElsewhere]:
    """What the ledger knows of the session, by plugin and operation."""
    done = Effect.state == EffectState.DONE
    rows = await db.execute(
        select(
            Effect.plugin,
            Effect.operation,
            func.count().filter(done),
            func.count().filter(~done),
        )
        .where(Effect.session_id == session_id)
        .group_by(Effect.plugin, Effect.operation)
        .order_by(Effect.plugin, Effect.operation)
    )
    return [
        DoneElsewhere(plugin=plugin, operation=operation, done=sent, unknown=unknown)
        for plugin, operation, sent, unknown in rows
    ]


async def edited_titles(db: AsyncSession, session_id: UUID, *, limit: int) -> list[str]:
    """The titles of tickets a person has changed, in order of work; at most `limit`."""
    return list(
        await db.scalars(
            select(Ticket.title)
            .where(Ticket.session_id == session_id, Ticket.edited_at.is_not(None))
            .order_by(Ticket.position)
            .limit(limit)
        )
    )


async def file_digests(db: AsyncSession, session_id: UUID) -> dict[str, str]:
    """File name → SHA-256 of every file of the session, by name."""
    rows = await db.execute(
        select(Upload.file_name, Upload.sha256)
        .where(Upload.session_id == session_id)
        .order_by(Upload.file_name)
    )
    return dict(rows.all())


async def rows_of_plugin(db: AsyncSession, tables: MetaData, session_id: UUID) -> dict[str, int]:
    """Table → number of rows of the session, of a plugin's tables that refer to sessions.

    Tables without such rows are left out, and those that the database does not have yet.
    """
    found: dict[str, int] = {}
    for table in tables.sorted_tables:
        for key in table.foreign_keys:
            if key.target_fullname != "sessions.id":
                continue
            query = select(func.count()).select_from(table).where(key.parent == session_id)
            try:
                async with db.begin_nested():
                    rows = int(await db.scalar(query) or 0)
            except ProgrammingError:
                continue
            if rows:
                found[table.name] = found.get(table.name, 0) + rows
    return found


def _of_each(query: Select[Any]) -> ColumnElement[Any]:
    return query.correlate(WorkSession).scalar_subquery()
