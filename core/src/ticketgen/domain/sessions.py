"""A session: one site's specification on its way from upload to Jira."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    and_,
    delete,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, statement_time, words
from ticketgen.domain.effects import release_effects
from ticketgen.domain.task_runs import ACTIVE_STATES, TaskRun
from ticketgen.errors import ConflictError, NotFoundError

__all__ = [
    "Stage",
    "WorkSession",
    "bump_content",
    "count_by_stage",
    "count_expired_sessions",
    "count_sessions",
    "delete_expired_sessions",
    "delete_session",
    "get_session",
    "list_recoverable",
    "list_sessions",
    "lock_session",
    "lock_session_if_free",
    "require_stage",
    "touch",
]


class Stage(StrEnum):
    """Where a session stands, in the order of the journey."""

    SITE_INFO_COLLECTION = "site_info_collection"
    """Name, description and Jira project are being entered."""
    UPLOAD = "upload"
    """CSV files are being collected."""
    PROCESSING = "processing"
    """Tickets are being generated."""
    REVIEW = "review"
    """Tickets exist and may be edited and validated."""
    JIRA_EXPORT = "jira_export"
    """An export has begun and is not complete."""
    COMPLETED = "completed"
    """Everything is exported."""


class WorkSession(Base):
    """One site's specification and everything made from it; it belongs to its owner."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_owner_id_updated_at", "owner_id", "updated_at"),
        Index("ix_sessions_open", "updated_at", postgresql_where=text("stage <> 'completed'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(Text, default="")
    jira_project_key: Mapped[str | None] = mapped_column(String(20))
    writer: Mapped[str] = mapped_column(String(50), default="template")
    stage: Mapped[Stage] = mapped_column(words(Stage), default=Stage.SITE_INFO_COLLECTION)
    content_revision: Mapped[int] = mapped_column(default=0)
    """Counts every change of any ticket; a verdict holds for the revision it was made at."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), onupdate=func.clock_timestamp(), index=True
    )


def _missing(session_id: UUID) -> NotFoundError:
    return NotFoundError(
        f"There is no session {session_id}.",
        recovery_actions=["Check the id with GET /api/sessions; it may have expired."],
    )


async def get_session(db: AsyncSession, session_id: UUID) -> WorkSession:
    """The session of that id, whoever owns it.

    Raises:
        NotFoundError: there is none.
    """
    session = await db.get(WorkSession, session_id)
    if session is None:
        raise _missing(session_id)
    return session


async def lock_session(db: AsyncSession, session_id: UUID) -> WorkSession:
    """The session, locked until the transaction ends: starts and edits of it take turns.

    Raises:
        NotFoundError: there is none.
    """
    session = await db.scalar(
        select(WorkSession)
        .where(WorkSession.id == session_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if session is None:
        raise _missing(session_id)
    return session


async def lock_session_if_free(db: AsyncSession, session_id: UUID) -> bool:
    """Lock the session as `lock_session` does, unless somebody else has; whether it is locked."""
    locked = await db.scalar(
        select(WorkSession.id).where(WorkSession.id == session_id).with_for_update(skip_locked=True)
    )
    return locked is not None


async def list_sessions(
    db: AsyncSession,
    *,
    owner_id: UUID | None,
    stages: Collection[Stage] = (),
    containing: str = "",
    limit: int = 100,
    offset: int = 0,
) -> list[WorkSession]:
    """Sessions of one owner, or of everybody, the latest changed first.

    Only those in one of the stages, if any is named; and only those in whose name, description or
    Jira project all of the words are found, however they are written.
    """
    return list(
        await db.scalars(
            select(WorkSession)
            .where(*_asked_for(owner_id, stages, containing))
            .order_by(WorkSession.updated_at.desc(), WorkSession.id)
            .limit(limit)
            .offset(offset)
        )
    )


async def count_sessions(
    db: AsyncSession, *, owner_id: UUID | None, stages: Collection[Stage] = (), containing: str = ""
) -> int:
    """How many sessions `list_sessions` would give without a limit."""
    query = select(func.count()).select_from(WorkSession)
    return int(await db.scalar(query.where(*_asked_for(owner_id, stages, containing))) or 0)


def _asked_for(
    owner_id: UUID | None, stages: Collection[Stage], containing: str
) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = (
        [] if owner_id is None else [WorkSession.owner_id == owner_id]
    )
    if stages:
        asked.append(WorkSession.stage.in_(stages))
    texts = (WorkSession.name, WorkSession.description, WorkSession.jira_project_key)
    for word in containing.split():
        asked.append(or_(*(text.icontains(word, autoescape=True) for text in texts)))
    return asked


async def list_recoverable(
    db: AsyncSession, *, owner_id: UUID, retention: timedelta | None, limit: int, offset: int
) -> list[WorkSession]:
    """Sessions of one owner that can be gone on with: not completed, and not past their retention.

    The latest changed first. Without a retention none is ever past it.
    """
    query = select(WorkSession).where(
        WorkSession.owner_id == owner_id, WorkSession.stage != Stage.COMPLETED
    )
    if retention is not None:
        query = query.where(~_expired(retention))
    return list(
        await db.scalars(
            query.order_by(WorkSession.updated_at.desc(), WorkSession.id)
            .limit(limit)
            .offset(offset)
        )
    )


def require_stage(session: WorkSession, *allowed: Stage, doing: str) -> None:
    """Refuse what the session's stage does not allow.

    Raises:
        ConflictError: the session is in another stage.
    """
    if session.stage in allowed:
        return
    names = " or ".join(f"`{stage}`" for stage in allowed)
    raise ConflictError(
        f"{doing} needs the session in stage {names}; it is in `{session.stage}`.",
        recovery_actions=[
            "Wait until the generation has ended."
            if session.stage == Stage.PROCESSING
            else "See the session's stage with GET /api/sessions/{session_id}."
        ],
    )


def touch(session: WorkSession) -> None:
    """Say that somebody works on the session, though its row does not change: it is kept longer."""
    session.updated_at = func.clock_timestamp()


def bump_content(session: WorkSession) -> int:
    """Say that the tickets changed; every verdict so far is stale. The session must be locked."""
    session.content_revision += 1
    return session.content_revision


async def count_by_stage(db: AsyncSession) -> dict[Stage, int]:
    """How many sessions are in each stage, everybody's; every stage is there."""
    rows = await db.execute(select(WorkSession.stage, func.count()).group_by(WorkSession.stage))
    found = {stage: int(count) for stage, count in rows}
    return {stage: found.get(stage, 0) for stage in Stage}


def _expired(retention: timedelta) -> ColumnElement[bool]:
    """Untouched for so long, not completed, and nothing of it at work, or only just ended.

    A run may have waited for days, and moves no stage: its person has to see how it ended.
    """
    cutoff = statement_time() - retention
    of_late = select(TaskRun.id).where(
        TaskRun.session_id == WorkSession.id,
        or_(TaskRun.state.in_(ACTIVE_STATES), TaskRun.finished_at >= cutoff),
    )
    return and_(
        WorkSession.updated_at < cutoff,
        WorkSession.stage != Stage.COMPLETED,
        ~of_late.exists(),
    )


async def count_expired_sessions(db: AsyncSession, *, retention: timedelta, limit: int) -> int:
    """How many sessions `delete_expired_sessions` would delete; counted as far as `limit`."""
    found = select(WorkSession.id).where(_expired(retention)).limit(limit).subquery()
    return int(await db.scalar(select(func.count()).select_from(found)) or 0)


async def delete_expired_sessions(
    db: AsyncSession, *, retention: timedelta, limit: int
) -> list[UUID]:
    """Delete at most `limit` sessions untouched for `retention` and not completed; their ids.

    What belongs to a session goes with it, as `delete_session` has it. One whose run is active is
    left alone, and one that is locked by somebody at work is left for the next time.
    """
    doomed = list(
        await db.scalars(
            select(WorkSession.id)
            .where(_expired(retention))
            .order_by(WorkSession.updated_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )
    await _delete(db, doomed)
    return doomed


async def delete_session(db: AsyncSession, session: WorkSession) -> None:
    """Delete a session, which must be locked and have no active run, with everything of it.

    What was done elsewhere stays in the ledger, of no session any more: issues that exist in
    another system do not go away with the tickets they were made from.
    """
    await _delete(db, [session.id])
    db.expunge(session)


async def _delete(db: AsyncSession, session_ids: Collection[UUID]) -> None:
    if not session_ids:
        return
    await release_effects(db, session_ids)
    await db.execute(
        delete(WorkSession)
        .where(WorkSession.id.in_(session_ids))
        .execution_options(synchronize_session=False)
    )
