"""How an attempt ends, whoever ends it: the worker, the reconciler, the cancelling person.

One transaction moves the session's stage, keeps the failure, discards what is to be discarded and
changes the run; after its commit the ending is announced, or the run is handed to the queue again.
What is not announced, because Redis or this process went away in between, is announced by the
reconciler.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.announcing import Announcer
from ticketgen.database import SessionFactory, passes_by_itself
from ticketgen.delivering import deliver
from ticketgen.domain import failures, run_attempts, sessions, task_runs, transitions
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.sessions import Stage
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import POISON_BOUND, StaleAttemptError
from ticketgen.domain.transitions_together import Completion, complete_runs, store_progress
from ticketgen.errors import AdminRequiredError, NotFoundError, TicketgenError
from ticketgen.grouping import Grouping
from ticketgen.handling import next_try
from ticketgen.outcomes import Cancelled, Completed, Failed, HandedBack, Outcome, Parked
from ticketgen.plugin import RetryPolicy, StageMoves, Task
from ticketgen.ports import RunIdentity
from ticketgen.queue import RunQueue
from ticketgen.registry import Registry
from ticketgen.settings import Settings

__all__ = [
    "PoisonRunError",
    "Settler",
    "discard_results",
    "identity_of",
    "move_stage",
    "moves_of",
    "moves_to_store",
]

_log = structlog.get_logger(__name__)


class PoisonRunError(AdminRequiredError):
    """The run kills the worker process that works on it."""

    code = "poison"


@dataclass(frozen=True, kw_only=True)
class Settler:
    """Ends attempts; every process has one."""

    registry: Registry
    session_factory: SessionFactory
    queue: RunQueue
    announcer: Announcer
    settings: Settings
    randomness: random.Random = field(default_factory=random.Random)

    async def settle(
        self, run: TaskRun, outcome: Outcome, *, progress: Mapping[str, Any] | None = None
    ) -> TaskRun:
        """End the attempt that `run` names, and tell whoever has to know.

        `progress` is the last that it said of itself, if that is not in its row yet.

        Raises:
            StaleAttemptError: the attempt counts no more; nothing was written.
            DBAPIError: the database did not take it.
        """
        settled = await self._complete_with_others(run, outcome, progress)
        if settled is None:
            settled = await self.store(run, outcome, progress=progress)
        await self._tell(settled, due=isinstance(outcome, HandedBack))
        return settled

    async def _complete_with_others(
        self, run: TaskRun, outcome: Outcome, progress: Mapping[str, Any] | None
    ) -> TaskRun | None:
        """Complete it by one statement with all others that end now; None if it is no such case.

        One that moves its session waits for the session's lock, and takes nobody with it.
        """
        moves = run.session_id is not None and self._moves(run).on_success is not None
        if not isinstance(outcome, Completed) or moves:
            return None
        completion = Completion(
            run_id=run.id,
            attempt=run.attempt,
            result_summary=outcome.summary,
            progress=progress,
        )
        try:
            finished_at = await self._completions.ask(completion)
        except DBAPIError as error:
            if passes_by_itself(error):
                raise
            return None  # one of those who shared it is refused; alone it turns out which
        if finished_at is None:
            return None
        # What the row is now, as it was written: reading it again would cost more than writing it.
        run.state, run.finished_at = RunState.COMPLETED, finished_at
        run.result_summary, run.error = dict(outcome.summary), None
        run.progress = dict(progress) if progress is not None else run.progress
        _log.info("run_settled", run=str(run.id), attempt=run.attempt, state=str(run.state))
        return run

    @cached_property
    def _completions(self) -> Grouping[Completion, datetime | None]:
        return Grouping(self._complete)

    async def _complete(self, completions: Sequence[Completion]) -> list[datetime | None]:
        async with self.session_factory() as db:
            finished = await complete_runs(db, completions)
            await db.commit()
        return [finished.get(item.run_id) for item in completions]

    async def store(
        self, run: TaskRun, outcome: Outcome, *, progress: Mapping[str, Any] | None = None
    ) -> TaskRun:
        """End the attempt in the database only; the reconciler tells the rest. Raises as above."""
        async with self.session_factory() as db:
            if progress is not None:
                await store_progress(db, {(run.id, run.attempt): progress})
            settled = await self._settled(db, run, outcome)
            if not settled.is_settled and settled.cancel_requested_at is not None:
                await db.rollback()
                settled = await self._settled(db, run, Cancelled())
            await db.commit()
        _log.info("run_settled", run=str(run.id), attempt=run.attempt, state=str(settled.state))
        return settled

    async def _settled(self, db: AsyncSession, run: TaskRun, outcome: Outcome) -> TaskRun:
        if isinstance(outcome, Completed):
            await move_stage(db, run, self._moves(run).on_success)
            return await transitions.complete_run(
                db, run.id, run.attempt, result_summary=outcome.summary
            )
        if isinstance(outcome, Failed):
            return await self._failed(db, run, outcome.error)
        if isinstance(outcome, Parked):
            return await transitions.park_run(db, run.id, run.attempt, reason=outcome.reason)
        if isinstance(outcome, Cancelled):
            await self._undo(db, run)
            return await transitions.cancel_run(db, run.id, run.attempt)
        return await transitions.requeue_run(
            db, run.id, run.attempt, outcome=AttemptOutcome.HANDED_BACK
        )

    async def _failed(self, db: AsyncSession, run: TaskRun, error: TicketgenError) -> TaskRun:
        task = self._task(run)
        policy = task.retry if task else RetryPolicy()
        delay = next_try(
            policy, self.settings, tries=run.tries, error=error, randomness=self.randomness
        )
        if delay is not None:
            problem = await _recorded(db, run, error, severity="transient")
            _log.warning("run_retried", code=error.code, delay_seconds=delay.total_seconds())
            return await transitions.requeue_run(
                db,
                run.id,
                run.attempt,
                outcome=AttemptOutcome.RETRIED,
                delay=delay,
                error=problem,
            )
        await move_stage(db, run, self._moves(run).on_failure)
        problem = await _recorded(db, run, error, severity="blocking")
        _log.error(
            "run_failed", code=error.code, error=error.message, details=error.technical_details
        )
        return await transitions.fail_run(db, run.id, run.attempt, error=problem)

    async def rescue(self, run_id: UUID, attempt: int) -> TaskRun | None:
        """Take a run away from a worker whose lease has run out; None if that cannot be now.

        It is queued again, unless its end was asked for, or the attempt died alone and was the
        last that may: then it is cancelled, or failed as poison. The caller tells the rest.
        """
        async with self.session_factory() as db:
            run = await db.get(TaskRun, run_id)
            if run is None:
                return None
            # Somebody who holds the session for long must not hold up the rescue of others.
            if run.session_id is not None and not await sessions.lock_session_if_free(
                db, run.session_id
            ):
                return None
            settled = await self._rescued(db, run_id, attempt)
            await db.commit()
        if settled is not None:
            _log.warning(
                "run_rescued",
                run=str(run_id),
                task=settled.task_type,
                state=str(settled.state),
                rescues=settled.rescues,
            )
        return settled

    async def _rescued(self, db: AsyncSession, run_id: UUID, attempt: int) -> TaskRun | None:
        run = await task_runs.lock_run(db, run_id, unless_locked=True)
        if run is None or run.state is not RunState.RUNNING or run.attempt != attempt:
            return None
        dead = await run_attempts.lock_expired_attempt(db, run_id, attempt)
        if dead is None:
            return None
        lost = AttemptOutcome.LOST
        if run.cancel_requested_at is not None:
            await self._undo(db, run)
            return await transitions.cancel_run(db, run_id, attempt, outcome=lost)
        if dead.alone and run.rescues + 1 >= POISON_BOUND and self._task(run) is not None:
            await move_stage(db, run, self._moves(run).on_failure)
            poison = await self._poison(db, run)
            problem = await _recorded(db, run, poison, severity="blocking")
            return await transitions.fail_run(db, run_id, attempt, error=problem, outcome=lost)
        return await transitions.requeue_run(db, run_id, attempt, outcome=lost)

    async def _poison(self, db: AsyncSession, run: TaskRun) -> PoisonRunError:
        deaths = [
            f"attempt {item.attempt} on {item.worker}, begun {item.started_at.isoformat()}"
            for item in await run_attempts.list_attempts(db, run.id)
            if item.outcome is AttemptOutcome.LOST or item.attempt == run.attempt
        ]
        stage = (run.progress or {}).get("stage")
        return PoisonRunError(
            f"The worker process died {POISON_BOUND} times while it worked on this task, the last "
            "time with nothing else in hand.",
            recovery_actions=[
                "Look in the workers' logs and the system's (out of memory?) at these times; then "
                "start the task again."
            ],
            technical_details={"deaths": deaths, "last_stage": stage},
        )

    async def _undo(self, db: AsyncSession, run: TaskRun) -> None:
        await move_stage(db, run, self._moves(run).on_cancel)
        await discard_results(db, run, self._task(run))

    async def _tell(self, run: TaskRun, *, due: bool) -> None:
        """A run that waits for its retry is pushed by the reconciler, by the database's clock."""
        if run.is_settled:
            await self.announcer.announce(run)
        elif run.state is RunState.QUEUED and due:
            await deliver(self.queue, [run], self.registry)

    def _task(self, run: TaskRun) -> Task[Any, Any] | None:
        registered = self.registry.tasks.get(run.task_type)
        return registered.task if registered else None

    def _moves(self, run: TaskRun) -> StageMoves:
        return moves_of(run, self._task(run))


def identity_of(run: TaskRun) -> RunIdentity:
    """Which attempt of which run that is."""
    return RunIdentity(
        id=run.id,
        task_type=run.task_type,
        session_id=run.session_id,
        lineage_id=run.lineage_id,
        requested_by=run.requested_by,
        attempt=run.attempt,
        tries=run.tries,
    )


def moves_to_store(stages: StageMoves | None) -> dict[str, Any] | None:
    """Where the ending of a run takes its session, as its row keeps it."""
    if stages is None:
        return None
    return {
        "on_success": stages.on_success,
        "on_failure": stages.on_failure,
        "on_cancel": stages.on_cancel,
    }


def moves_of(run: TaskRun, task: Task[Any, Any] | None) -> StageMoves:
    """What `moves_to_store` kept; for a run that began before that was kept, what its task says."""
    if run.stage_moves is None:
        return (task.stages if task else None) or StageMoves(allowed=())
    return StageMoves(
        allowed=(),
        **{name: Stage(stage) if stage else None for name, stage in run.stage_moves.items()},
    )


async def move_stage(db: AsyncSession, run: TaskRun, stage: Stage | None) -> None:
    """Move the run's session; its row is locked before the run's, as a start does it.

    Raises:
        StaleAttemptError: the session is gone, and the run with it.
    """
    if run.session_id is None or stage is None:
        return
    try:
        session = await sessions.lock_session(db, run.session_id)
    except NotFoundError as error:
        raise StaleAttemptError(f"The session of run {run.id} was deleted.") from error
    session.stage = stage


async def discard_results(db: AsyncSession, run: TaskRun, task: Task[Any, Any] | None) -> None:
    """Delete the partial results of a cancelled run as its task declares; a failure is logged."""
    if task is None or task.discard is None:
        return
    try:
        async with db.begin_nested():
            await task.discard(db, identity_of(run))
    except (Exception, SystemExit):
        _log.exception("discard_failed", run=str(run.id), task=run.task_type)


async def _recorded(
    db: AsyncSession, run: TaskRun, error: TicketgenError, *, severity: str
) -> dict[str, Any]:
    failure = await failures.record_failure(
        db,
        error,
        operation_stage=run.task_type,
        severity=severity,
        session_id=run.session_id,
        task_id=run.id,
        attempt=run.attempt,
    )
    return failures.error_of(failure)
