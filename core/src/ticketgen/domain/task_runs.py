"""Runs: one occurrence of a task, what was asked, where it stands; and how runs are found.

How a run moves from state to state stands in `transitions.py`. The database's
`clock_timestamp()` is the only clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Uuid,
    and_,
    any_,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, words
from ticketgen.errors import NotFoundError

__all__ = [
    "ACTIVE_STATES",
    "NewRun",
    "Retry",
    "RunState",
    "TaskRun",
    "find_active_run",
    "get_run",
    "hold_announcement",
    "insert_run",
    "latest_run",
    "list_runs",
    "lock_run",
    "mark_announced",
    "newest_of_lineage",
    "unannounced_runs",
]


class RunState(StrEnum):
    """Exactly where a run stands."""

    QUEUED = "queued"
    """Stored, to be started by a worker, now or at `available_at`."""
    RUNNING = "running"
    """One attempt of it is in a worker's hands."""
    PARKED = "parked"
    """Nobody can run it at present; it resumes by itself."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE_STATES = (RunState.QUEUED, RunState.RUNNING, RunState.PARKED)
_ACTIVE_SQL = text("state IN ('queued', 'running', 'parked')")
_OF_A_SESSION = "session_id IS NOT NULL"


def _some(name: str, rows: str, *columns: str) -> Index:
    """An index of those rows only."""
    return Index(f"ix_session_tasks_{name}", *columns, postgresql_where=text(rows))


class TaskRun(Base):
    """One occurrence of a task: what was asked, how far it is, how it ended."""

    __tablename__ = "session_tasks"
    __table_args__ = (
        Index(
            "uq_session_tasks_active_exclusivity_key",
            "exclusivity_key",
            unique=True,
            postgresql_where=_ACTIVE_SQL,
        ),
        Index("ix_session_tasks_created_at_id", "created_at", "id"),
        Index("ix_session_tasks_task_type_created_at_id", "task_type", "created_at", "id"),
        # Every change of `state` writes each index that has the row: few have it.
        _some("due", "state = 'queued'", "available_at"),
        _some("parked", "state = 'parked'", "task_type"),
        _some("failed", "state IN ('failed', 'cancelled')", "created_at", "id"),
        _some("unannounced", "finished_at IS NOT NULL AND announced_at IS NULL", "finished_at"),
        _some("schedule", f"schedule IS NOT NULL AND {_ACTIVE_SQL}", "schedule"),
        _some("retry_of", "retry_of IS NOT NULL", "retry_of"),
        _some("lineage_id_retry_count", "retry_count > 0", "lineage_id", "retry_count"),
        _some("requested_by_created_at", "requested_by IS NOT NULL", "requested_by", "created_at"),
        _some("session_id_task_type", _OF_A_SESSION, "session_id", "task_type", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    task_type: Mapped[str] = mapped_column(String(100))
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    """Who started it; nobody where a schedule did."""
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    exclusivity_key: Mapped[str] = mapped_column(String(300))
    """No two active runs share one; random where the task allows any number."""
    conflict_group: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[RunState] = mapped_column(words(RunState), default=RunState.QUEUED)
    attempt: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    rescues: Mapped[int] = mapped_column(default=0)
    delivery: Mapped[int] = mapped_column(default=1)
    """Number of the last push; part of the queue's job id, so that no push blocks the next."""
    available_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    request: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What the start was asked for; a retry by hand asks for it again."""
    stage_moves: Mapped[dict[str, Any] | None]
    """Where its ending takes the session, as its task said at the start: also if nobody knows the
    task when it ends."""
    schedule: Mapped[str | None] = mapped_column(String(200))
    """The schedule that started it, if one did."""
    lineage_id: Mapped[UUID]
    """The first run of a chain of retries by hand; steps and artifacts belong to it."""
    retry_of: Mapped[UUID | None] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="SET NULL")
    )
    retry_count: Mapped[int] = mapped_column(default=0)
    """Retries by hand before this one; automatic tries are not counted here."""
    progress: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """The last progress that was stored: `percentage`, `stage`, `details`."""
    result_summary: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """As the handler returned it; JSON and not JSONB, which would lose the order of members."""
    error: Mapped[dict[str, Any] | None]
    """The last failure: `error_id`, `error_category`, `code`, `user_message`, …"""
    parked: Mapped[dict[str, Any] | None]
    """Why nobody can run it at present: `code`, `message`, and the `version` that could not."""
    cancel_requested_at: Mapped[datetime | None]
    """When somebody asked the attempt at work to stop."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    """When the present, or last, attempt was claimed."""
    finished_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]
    """When its ending was published; what is settled and not announced is announced again."""

    @property
    def is_active(self) -> bool:
        """Whether something is still to come."""
        return self.state in ACTIVE_STATES

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to come."""
        return not self.is_active

    @property
    def status(self) -> str:
        """The founding specification's word: `processing` covers everything that is active."""
        return "processing" if self.is_active else str(self.state)


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a run starts from."""

    task_type: str
    payload: Mapping[str, Any]
    exclusivity_key: str
    session_id: UUID | None = None
    requested_by: UUID | None = None
    conflict_group: str | None = None
    request: Mapping[str, Any] | None = None
    stage_moves: Mapping[str, Any] | None = None
    retry: Retry | None = None


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Which run a new one tries again by hand, and the how-manieth of its lineage it is."""

    of: UUID
    lineage_id: UUID
    count: int
    schedule: str | None = None
    """The schedule that started the one that is tried again: its run overlaps like that."""


async def insert_run(db: AsyncSession, new: NewRun) -> tuple[TaskRun, bool]:
    """Store a run, or find the active one that holds its exclusivity key.

    Returns the run and whether it existed before. The partial unique index decides, so of two
    starts at the same moment one inserts and the other waits for it and gets its run.
    """
    while True:
        run_id = new_id()
        inserted = await db.scalar(
            insert(TaskRun)
            .values(
                id=run_id,
                lineage_id=new.retry.lineage_id if new.retry else run_id,
                retry_of=new.retry.of if new.retry else None,
                retry_count=new.retry.count if new.retry else 0,
                schedule=new.retry.schedule if new.retry else None,
                task_type=new.task_type,
                payload=dict(new.payload),
                request=None if new.request is None else dict(new.request),
                stage_moves=None if new.stage_moves is None else dict(new.stage_moves),
                exclusivity_key=new.exclusivity_key,
                session_id=new.session_id,
                requested_by=new.requested_by,
                conflict_group=new.conflict_group,
            )
            .on_conflict_do_nothing(index_elements=["exclusivity_key"], index_where=_ACTIVE_SQL)
            .returning(TaskRun)
        )
        if inserted is not None:
            return inserted, False
        running = await db.scalar(
            select(TaskRun).where(
                TaskRun.exclusivity_key == new.exclusivity_key, TaskRun.state.in_(ACTIVE_STATES)
            )
        )
        if running is not None:
            return running, True
        # It settled between our insert and our look: the key is free, so insert again.


async def find_active_run(
    db: AsyncSession,
    *,
    session_id: UUID,
    conflict_group: str | None = None,
    except_type: str | None = None,
) -> TaskRun | None:
    """An active run in the session: of the group or of any, one of `except_type` left out.

    The caller holds the session's row lock, or the answer is out of date at once.
    """
    query = select(TaskRun).where(
        TaskRun.session_id == session_id, TaskRun.state.in_(ACTIVE_STATES)
    )
    if conflict_group is not None:
        query = query.where(TaskRun.conflict_group == conflict_group)
    if except_type is not None:
        query = query.where(TaskRun.task_type != except_type)
    return await db.scalar(query.limit(1))


async def get_run(db: AsyncSession, run_id: UUID) -> TaskRun:
    """The run of that id.

    Raises:
        NotFoundError: there is none.
    """
    run = await db.get(TaskRun, run_id, populate_existing=True)
    if run is None:
        raise NotFoundError(
            f"There is no run {run_id}.",
            recovery_actions=["Check the `task_id` that the start answered with."],
        )
    return run


async def latest_run(
    db: AsyncSession, *, session_id: UUID, task_type: str, state: RunState | None = None
) -> TaskRun | None:
    """The newest run of that type in the session, in that state or in any."""
    query = select(TaskRun).where(TaskRun.session_id == session_id, TaskRun.task_type == task_type)
    if state is not None:
        query = query.where(TaskRun.state == state)
    return await db.scalar(
        query.order_by(TaskRun.created_at.desc(), TaskRun.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )


async def newest_of_lineage(db: AsyncSession, lineage_id: UUID) -> TaskRun:
    """The last run of a chain of retries by hand."""
    newest = await db.scalar(
        select(TaskRun)
        .where(
            or_(
                TaskRun.id == lineage_id,
                and_(TaskRun.lineage_id == lineage_id, TaskRun.retry_count > 0),
            )
        )
        .order_by(TaskRun.retry_count.desc(), TaskRun.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    assert newest is not None, "a lineage has its first run at least"  # noqa: S101
    return newest


async def lock_run(
    db: AsyncSession, run_id: UUID, *, unless_locked: bool = False
) -> TaskRun | None:
    """The run, its row locked; None if there is none, or somebody else has locked it."""
    return await db.scalar(
        select(TaskRun)
        .where(TaskRun.id == run_id)
        .with_for_update(skip_locked=unless_locked)
        .execution_options(populate_existing=True)
    )


async def list_runs(
    db: AsyncSession,
    *,
    session_id: UUID | None = None,
    requested_by: UUID | None = None,
    states: Collection[RunState] = (),
    task_type: str | None = None,
    among: ColumnElement[bool] | None = None,
    limit: int = 100,
    offset: int = 0,
) -> list[TaskRun]:
    """Runs, newest first: of everything, or of what is named, or `run_access` lets be seen."""
    query = (
        select(TaskRun)
        .order_by(TaskRun.created_at.desc(), TaskRun.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if session_id is not None:
        query = query.where(TaskRun.session_id == session_id)
    if requested_by is not None:
        query = query.where(TaskRun.requested_by == requested_by)
    if states:
        query = query.where(TaskRun.state.in_(states))
    if task_type is not None:
        query = query.where(TaskRun.task_type == task_type)
    if among is not None:
        query = query.where(among)
    return list(await db.scalars(query))


_ANNOUNCEMENT_LOCK = 0x71C4_0003
"""First key of the advisory locks under which endings are told; the second is of the run."""

_LONGEST_TELLING = timedelta(minutes=2)


async def hold_announcement(db: AsyncSession, run_id: UUID) -> bool:
    """Reserve the telling of a run's ending until the transaction ends; no row is locked.

    False if another process is at it, or it has been told, or the run is gone.
    """
    await db.execute(
        text("SELECT set_config('idle_in_transaction_session_timeout', :limit, true)"),
        {"limit": f"{int(_LONGEST_TELLING.total_seconds())}s"},
    )
    if not await db.scalar(
        text("SELECT pg_try_advisory_xact_lock(:kind, hashtext(:run))"),
        {"kind": _ANNOUNCEMENT_LOCK, "run": str(run_id)},
    ):
        return False
    # A statement of its own: what was committed before the lock was free has to be seen.
    untold = await db.scalar(
        select(TaskRun.id).where(TaskRun.id == run_id, TaskRun.announced_at.is_(None))
    )
    return untold is not None


async def mark_announced(db: AsyncSession, *run_ids: UUID) -> None:
    """Note that the endings of settled runs have been published."""
    await db.execute(
        update(TaskRun)
        .where(
            TaskRun.id == any_(literal(list(run_ids), ARRAY(Uuid))),
            TaskRun.finished_at.is_not(None),
        )
        .values(announced_at=func.clock_timestamp())
        .execution_options(synchronize_session=False)
    )


async def unannounced_runs(db: AsyncSession, *, older_than: timedelta, limit: int) -> list[TaskRun]:
    """Runs settled so long ago whose ending nobody has said that they published."""
    return list(
        await db.scalars(
            select(TaskRun)
            .where(
                TaskRun.announced_at.is_(None),
                TaskRun.finished_at < func.clock_timestamp() - older_than,
            )
            .order_by(TaskRun.finished_at)
            .limit(limit)
        )
    )
