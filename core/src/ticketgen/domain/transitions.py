"""Every change of state a run may go through; nothing else writes `state`.

    queued ──claim──▶ running ──settle──▶ completed | failed | cancelled
      ▲ ▲                │
      │ └── retry, hand-back, rescue ──┘
      └──resume── parked ◀──park── queued | running

Three counters, never mixed: `attempt` is the fence, one more at every claim and never reused;
`tries` is what the retry budget counts; `rescues` counts attempts that died with their worker.
A change of a running run names its attempt and is refused if that counts no more. Rows are
locked in one order everywhere: session, run, attempt. See docs/adr/0014.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.run_attempts import AttemptOutcome, close_attempt, open_attempt
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.errors import ConflictError

__all__ = [
    "POISON_BOUND",
    "StaleAttemptError",
    "cancel_run",
    "cancel_waiting_run",
    "claim_run",
    "complete_run",
    "fail_run",
    "hold_attempt",
    "park_run",
    "park_waiting_runs",
    "request_cancel",
    "requeue_run",
    "reserve_run",
    "resume_runs",
]

POISON_BOUND = 3
"""So many attempts of a run may die with their worker; the last of them alone, to prove it."""


class StaleAttemptError(ConflictError):
    """The run has been taken over or settled; this attempt's writes count no more."""

    code = "stale_attempt"


async def claim_run(
    db: AsyncSession,
    run_id: UUID,
    *,
    worker_id: UUID,
    worker: str,
    lease: timedelta,
    alone: bool = False,
) -> TaskRun | None:
    """Queued → running with a new attempt number and a lease; None if there is nothing to claim.

    None is the ordinary answer to a duplicate delivery, to a run that was settled, cancelled or
    parked meanwhile, and to a delivery that comes before its time. It is also the answer for a
    run whose next death would prove it poison, unless the worker holds nothing else (`alone`): that
    one has reserved it (`reserve_run`), and its time is not asked for.
    """
    fit: list[ColumnElement[bool]] = (
        []
        if alone
        else [
            TaskRun.rescues < POISON_BOUND - 1,
            TaskRun.available_at <= func.clock_timestamp(),
        ]
    )
    run = await db.scalar(
        update(TaskRun)
        .where(
            TaskRun.id == run_id,
            TaskRun.state == RunState.QUEUED,
            *fit,
        )
        .values(
            state=RunState.RUNNING,
            attempt=TaskRun.attempt + 1,
            tries=TaskRun.tries + 1,
            started_at=func.clock_timestamp(),
        )
        .returning(TaskRun)
        .execution_options(populate_existing=True)
    )
    if run is not None:
        await open_attempt(
            db,
            run_id=run.id,
            attempt=run.attempt,
            worker_id=worker_id,
            worker=worker,
            alone=alone,
            lease=lease,
        )
    return run


async def reserve_run(
    db: AsyncSession, run_id: UUID, *, until_claimed: timedelta, renewing: bool = False
) -> bool:
    """Keep a suspected run from other workers while this one empties its hands for it.

    Only a run that is available can be reserved; with `renewing` it is the one that reserved it
    who goes on. False if there is nothing to reserve.
    """
    free: list[ColumnElement[bool]] = (
        [] if renewing else [TaskRun.available_at <= func.clock_timestamp()]
    )
    reserved = await db.scalar(
        update(TaskRun)
        .where(
            TaskRun.id == run_id,
            TaskRun.state == RunState.QUEUED,
            TaskRun.rescues >= POISON_BOUND - 1,
            *free,
        )
        .values(available_at=func.clock_timestamp() + until_claimed)
        .returning(TaskRun.id)
        .execution_options(synchronize_session=False)
    )
    return reserved is not None


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
        raise _stale(run_id, attempt)


def _stale(run_id: UUID, attempt: int) -> StaleAttemptError:
    return StaleAttemptError(f"Attempt {attempt} of run {run_id} counts no more.")


async def complete_run(
    db: AsyncSession, run_id: UUID, attempt: int, *, result_summary: Mapping[str, Any]
) -> TaskRun:
    """Running → completed.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _end_attempt(
        db,
        run_id,
        attempt,
        AttemptOutcome.COMPLETED,
        {
            "state": RunState.COMPLETED,
            "result_summary": dict(result_summary),
            "error": None,
            "finished_at": func.clock_timestamp(),
        },
    )


async def fail_run(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    *,
    error: Mapping[str, Any],
    outcome: AttemptOutcome = AttemptOutcome.FAILED,
) -> TaskRun:
    """Running → failed; `outcome` is `LOST` where the attempt died and proved the run poison.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    lost = outcome is AttemptOutcome.LOST
    return await _end_attempt(
        db,
        run_id,
        attempt,
        outcome,
        {
            "state": RunState.FAILED,
            "error": dict(error),
            "finished_at": func.clock_timestamp(),
            "rescues": TaskRun.rescues + int(lost),
        },
    )


async def cancel_run(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    *,
    outcome: AttemptOutcome = AttemptOutcome.CANCELLED,
) -> TaskRun:
    """Running → cancelled; `outcome` is `LOST` where the attempt died before it could stop.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _end_attempt(
        db,
        run_id,
        attempt,
        outcome,
        {"state": RunState.CANCELLED, "error": None, "finished_at": func.clock_timestamp()},
    )


async def requeue_run(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    *,
    outcome: AttemptOutcome,
    delay: timedelta = timedelta(0),
    error: Mapping[str, Any] | None = None,
) -> TaskRun:
    """Running → queued, to be delivered anew after `delay`.

    `outcome` is `RETRIED`, which spends a try; `HANDED_BACK`; or `LOST`, which counts a rescue.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    spent = outcome is AttemptOutcome.RETRIED
    values: dict[str, Any] = {
        "state": RunState.QUEUED,
        "available_at": func.clock_timestamp() + delay,
        "delivery": TaskRun.delivery + 1,
        "tries": TaskRun.tries - int(not spent),
        "rescues": TaskRun.rescues + int(outcome is AttemptOutcome.LOST),
    }
    if error is not None:
        values["error"] = dict(error)
    return await _end_attempt(db, run_id, attempt, outcome, values, error=error)


async def park_run(
    db: AsyncSession, run_id: UUID, attempt: int, *, reason: Mapping[str, Any]
) -> TaskRun:
    """Running → parked: this worker cannot run it, another may; no try is spent.

    Raises:
        StaleAttemptError: another attempt has taken over.
    """
    return await _end_attempt(
        db,
        run_id,
        attempt,
        AttemptOutcome.PARKED,
        {"state": RunState.PARKED, "parked": dict(reason), "tries": TaskRun.tries - 1},
        error=reason,
    )


async def _end_attempt(
    db: AsyncSession,
    run_id: UUID,
    attempt: int,
    outcome: AttemptOutcome,
    values: dict[str, Any],
    *,
    error: Mapping[str, Any] | None = None,
) -> TaskRun:
    run = await db.scalar(
        update(TaskRun)
        .where(TaskRun.id == run_id, TaskRun.attempt == attempt, TaskRun.state == RunState.RUNNING)
        .values(**values)
        .returning(TaskRun)
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise _stale(run_id, attempt)
    failure = error or values.get("error")
    await close_attempt(
        db, run_id, attempt, outcome=outcome, error=dict(failure) if failure else None
    )
    return run


async def request_cancel(db: AsyncSession, run_id: UUID) -> bool:
    """Ask the attempt at work to stop; False if none is at work. Asking again changes nothing."""
    asked = await db.scalar(
        update(TaskRun)
        .where(TaskRun.id == run_id, TaskRun.state == RunState.RUNNING)
        .values(
            cancel_requested_at=func.coalesce(TaskRun.cancel_requested_at, func.clock_timestamp())
        )
        .returning(TaskRun.id)
        .execution_options(synchronize_session=False)
    )
    return asked is not None


async def cancel_waiting_run(db: AsyncSession, run_id: UUID) -> TaskRun | None:
    """Queued or parked → cancelled at once; None if it is neither."""
    return await db.scalar(
        update(TaskRun)
        .where(TaskRun.id == run_id, TaskRun.state.in_([RunState.QUEUED, RunState.PARKED]))
        .values(
            state=RunState.CANCELLED,
            cancel_requested_at=func.clock_timestamp(),
            finished_at=func.clock_timestamp(),
            parked=None,
        )
        .returning(TaskRun)
        .execution_options(populate_existing=True)
    )


async def park_waiting_runs(
    db: AsyncSession, run_ids: Collection[UUID], *, reason: Mapping[str, Any]
) -> list[TaskRun]:
    """Queued → parked, for those of the runs that still are queued."""
    return list(
        await db.scalars(
            update(TaskRun)
            .where(TaskRun.id.in_(run_ids), TaskRun.state == RunState.QUEUED)
            .values(state=RunState.PARKED, parked=dict(reason))
            .returning(TaskRun)
            .execution_options(populate_existing=True)
        )
    )


async def resume_runs(db: AsyncSession, run_ids: Collection[UUID]) -> list[TaskRun]:
    """Parked → queued, for those of the runs that still are parked; available at once."""
    return list(
        await db.scalars(
            update(TaskRun)
            .where(TaskRun.id.in_(run_ids), TaskRun.state == RunState.PARKED)
            .values(
                state=RunState.QUEUED,
                parked=None,
                available_at=func.clock_timestamp(),
                delivery=TaskRun.delivery + 1,
            )
            .returning(TaskRun)
            .execution_options(populate_existing=True)
        )
    )
