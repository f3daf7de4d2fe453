"""The changes of state that every run goes through, for many runs by one statement.

They are those of `transitions.py`, for the ordinary case: whoever is not among the answers has
to be asked for alone, there, where a lock is waited for and a refusal says why. Rows that
somebody holds are left out, so nobody waits for another's run, and no two can wait for each other.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Integer,
    Interval,
    String,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import POISON_BOUND

__all__ = ["Completion", "claim_runs", "complete_runs", "store_progress"]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """An attempt that has done its work."""

    run_id: UUID
    attempt: int
    result_summary: Mapping[str, Any]
    progress: Mapping[str, Any] | None = None
    """The last that it said of itself, if that is not in its row yet."""


def _claim_statement() -> Any:
    """Written out once: the statements that are built at every call are the dearer half of it."""
    free = (
        select(TaskRun.id)
        .where(
            TaskRun.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            TaskRun.task_type == any_(bindparam("task_types", type_=ARRAY(Text))),
            TaskRun.state == RunState.QUEUED,
            TaskRun.rescues < POISON_BOUND - 1,
            TaskRun.available_at <= func.clock_timestamp(),
        )
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    claimed = (
        update(TaskRun)
        .where(TaskRun.id == free.c.id)
        .values(
            state=RunState.RUNNING,
            attempt=TaskRun.attempt + 1,
            tries=TaskRun.tries + 1,
            started_at=func.clock_timestamp(),
        )
        .returning(TaskRun)
        .cte("claimed")
    )
    attempt = select(
        claimed.c.id,
        claimed.c.attempt,
        bindparam("worker_id", type_=Uuid),
        bindparam("worker", type_=String),
        literal(False, Boolean),
        func.clock_timestamp() + bindparam("lease", type_=Interval),
    )
    into = ["run_id", "attempt", "worker_id", "worker", "alone", "lease_expires_at"]
    opened = insert(RunAttempt).from_select(into, attempt).cte("opened")
    return select(aliased(TaskRun, claimed)).add_cte(opened)


def _complete_statement() -> Any:
    given = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("attempts", type_=ARRAY(Integer)),
            bindparam("summaries", type_=ARRAY(Text)),
            bindparam("progress", type_=ARRAY(Text)),
        )
        .table_valued(
            column("id", Uuid),
            column("attempt", Integer),
            column("summary", Text),
            column("progress", Text),
        )
        .render_derived("given")
    )
    held = (
        select(TaskRun.id)
        .join(given, (TaskRun.id == given.c.id) & (TaskRun.attempt == given.c.attempt))
        .where(TaskRun.state == RunState.RUNNING)
        .with_for_update(of=TaskRun, skip_locked=True)
        .cte("held")
    )
    completed = (
        update(TaskRun)
        .where(TaskRun.id == held.c.id, TaskRun.id == given.c.id)
        .values(
            state=RunState.COMPLETED,
            result_summary=cast(given.c.summary, JSON),
            progress=func.coalesce(cast(given.c.progress, JSON), TaskRun.progress),
            error=None,
            finished_at=func.clock_timestamp(),
        )
        .returning(TaskRun.id, TaskRun.attempt, TaskRun.finished_at)
        .cte("completed")
    )
    closed = (
        update(RunAttempt)
        .where(
            RunAttempt.run_id == completed.c.id,
            RunAttempt.attempt == completed.c.attempt,
        )
        .values(ended_at=func.clock_timestamp(), outcome=AttemptOutcome.COMPLETED, error=None)
        .cte("closed")
    )
    return select(completed.c.id, completed.c.finished_at).add_cte(closed)


def _progress_statement() -> Any:
    given = (
        func.unnest(
            bindparam("ids", type_=ARRAY(Uuid)),
            bindparam("attempts", type_=ARRAY(Integer)),
            bindparam("progress", type_=ARRAY(Text)),
        )
        .table_valued(column("id", Uuid), column("attempt", Integer), column("progress", Text))
        .render_derived("given")
    )
    held = (
        select(TaskRun.id)
        .join(given, (TaskRun.id == given.c.id) & (TaskRun.attempt == given.c.attempt))
        .where(TaskRun.state == RunState.RUNNING)
        .with_for_update(of=TaskRun, skip_locked=True)
        .cte("held")
    )
    return (
        update(TaskRun)
        .where(TaskRun.id == held.c.id, TaskRun.id == given.c.id)
        .values(progress=cast(given.c.progress, JSON))
        .execution_options(synchronize_session=False)
    )


_CLAIM = _claim_statement()
_COMPLETE = _complete_statement()
_STORE_PROGRESS = _progress_statement()


async def claim_runs(
    db: AsyncSession,
    run_ids: Collection[UUID],
    *,
    task_types: Collection[str],
    worker_id: UUID,
    worker: str,
    lease: timedelta,
) -> list[TaskRun]:
    """Queued → running, each with a new attempt and a lease; those that nobody holds or suspects.

    What is missing from the answer may be claimable all the same: `claim_run` says.
    """
    claimed = await db.scalars(
        _CLAIM,
        {
            "ids": list(run_ids),
            "task_types": list(task_types),
            "worker_id": worker_id,
            "worker": worker[:300],
            "lease": lease,
        },
        execution_options={"populate_existing": True},
    )
    return list(claimed)


async def complete_runs(
    db: AsyncSession, completions: Sequence[Completion]
) -> dict[UUID, datetime]:
    """Running → completed, for the attempts that count and whose rows nobody holds; when, by id.

    What is missing from the answer may be overtaken, or only locked: `complete_run` says.
    """
    completed = await db.execute(
        _COMPLETE,
        {
            "ids": [item.run_id for item in completions],
            "attempts": [item.attempt for item in completions],
            "summaries": [json.dumps(dict(item.result_summary)) for item in completions],
            "progress": [_as_json(item.progress) for item in completions],
        },
    )
    return {row.id: row.finished_at for row in completed}


async def store_progress(
    db: AsyncSession, said: Mapping[tuple[UUID, int], Mapping[str, Any]]
) -> None:
    """Keep what attempts say of themselves (by run id and attempt) in the rows nobody holds."""
    await db.execute(
        _STORE_PROGRESS,
        {
            "ids": [run_id for run_id, _ in said],
            "attempts": [attempt for _, attempt in said],
            "progress": [_as_json(progress) for progress in said.values()],
        },
    )


def _as_json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(dict(value))
