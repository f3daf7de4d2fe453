"""Runs: one occurrence of a task, and every change of state it may go through.

    queued ──claim──▶ running ──settle──▶ completed | failed | cancelled
       ▲                 │
       └── retry, hand-back, rescue ──┘          queued ⇄ parked (nobody serves the type)

Three counters, never mixed: `attempt` is the fence, one more at every claim and never reused;
`tries` is what the retry budget counts; `rescues` counts attempts that died with their worker.
The database's `clock_timestamp()` is the only clock. See docs/adr/0004.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ForeignKey,
    Index,
    String,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, words
from ticketgen.errors import ConflictError, NotFoundError

__all__ = [
    "ACTIVE_STATES",
    "NewRun",
    "RunState",
    "StaleAttemptError",
    "TaskRun",
    "claim_run",
    "complete_run",
    "fail_run",
    "find_active_run",
    "get_run",
    "hold_attempt",
    "insert_run",
    "latest_run",
    "list_runs",
    "requeue_run",
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


class StaleAttemptError(ConflictError):
    """The run has been taken over or settled; this attempt's writes count no more."""

    code = "stale_attempt"


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
        Index("ix_session_tasks_due", "available_at", postgresql_where=text("state = 'queued'")),
        Index("ix_session_tasks_session_id_task_type", "session_id", "task_type", "created_at"),
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
    worker_id: Mapped[UUID | None]
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
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    started_at: Mapped[datetime | None]
    """When the present, or last, attempt was claimed."""
    finished_at: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        """Whether something is still to come."""
        return self.state in ACTIVE_STATES

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
                lineage_id=run_id,
                task_type=new.task_type,
                payload=dict(new.payload),
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


async def list_runs(
    db: AsyncSession, *, session_id: UUID | None = None, limit: int = 100
) -> list[TaskRun]:
    """Runs, newest first: of one session, or of everything."""
    query = select(TaskRun).order_by(TaskRun.created_at.desc(), TaskRun.id.desc()).limit(limit)
    if session_id is not None:
        query = query.where(TaskRun.session_id == session_id)
    return list(await db.scalars(query))


async def claim_run(db: AsyncSession, run_id: UUID, *, worker_id: UUID) -> TaskRun | None:
    """Queued → running with a new attempt number; None if there is nothing to claim.

    None is the ordinary answer to a duplicate delivery, to a run that was settled or cancelled
    meanwhile, and to a delivery that comes before its time.
    """
    return await db.scalar(
        update(TaskRun)
        .where(
            TaskRun.id == run_id,
            TaskRun.state == RunState.QUEUED,
            TaskRun.available_at <= func.clock_timestamp(),
        )
        .values(
            state=RunState.RUNNING,
            attempt=TaskRun.attempt + 1,
            tries=TaskRun.tries + 1,
            worker_id=worker_id,
            started_at=func.clock_timestamp(),
        )
        .returning(TaskRun)
        .execution_options(populate_existing=True)
    )


async def hold_attempt(db: AsyncSession, run_id: UUID, attempt: int) -> None:
    """Make sure, until the transaction ends, that this attempt is the one that counts.

    Raises:
        StaleAttemptError: it is not; the transaction must be rolled back.
    """
    held = await db.scalar(
        select(TaskRun.id)
        .where(TaskRun.id == run_id, TaskRun.attempt == attempt, TaskRun.state == RunState.RUNNING)
        .with_for_update(read=True)
    )
    if held is None:
        raise StaleAttemptError(f"Attempt {attempt} of run {run_id} counts no more.")


async def _settle(db: AsyncSession, run_id: UUID, attempt: int, **values: Any) -> TaskRun:
    run = await db.scalar(
        update(TaskRun)
        .where(TaskRun.id == run_id, TaskRun.attempt == attempt, TaskRun.state == RunState.RUNNING)
        .values(worker_id=None, **values)
        .returning(TaskRun)
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise StaleAttemptError(f"Attempt {attempt} of run {run_id} counts no more.")
    return run


async def complete_run(
    db: AsyncSession, run_id: UUID, attempt: int, *, result_summary: Mapping[str, Any]
) -> TaskRun:
    """Running → completed.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _settle(
        db,
        run_id,
        attempt,
        state=RunState.COMPLETED,
        result_summary=dict(result_summary),
        error=None,
        finished_at=func.clock_timestamp(),
    )


async def fail_run(
    db: AsyncSession, run_id: UUID, attempt: int, *, error: Mapping[str, Any]
) -> TaskRun:
    """Running → failed.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _settle(
        db,
        run_id,
        attempt,
        state=RunState.FAILED,
        error=dict(error),
        finished_at=func.clock_timestamp(),
    )


async def requeue_run(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    *,
    delay: timedelta,
    spend_try: bool,
    error: Mapping[str, Any] | None = None,
) -> TaskRun:
    """Running → queued, to be delivered anew after `delay`: a retry, or a hand-back at shutdown.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _settle(
        db,
        run_id,
        attempt,
        state=RunState.QUEUED,
        available_at=func.clock_timestamp() + delay,
        delivery=TaskRun.delivery + 1,
        tries=TaskRun.tries if spend_try else TaskRun.tries - 1,
        **({} if error is None else {"error": dict(error)}),
    )
