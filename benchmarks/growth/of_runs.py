"""The questions about runs: what happens in one's life, and who looks after those of others."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.growth.sample import Sample
from ticketgen.database import new_id
from ticketgen.domain import (
    backlog,
    many_runs,
    redelivery,
    run_access,
    run_attempts,
    run_steps,
    schedules,
    task_runs,
    transitions,
    transitions_together,
    watched_runs,
)
from ticketgen.domain.many_runs import NewRuns
from ticketgen.domain.run_attempts import AttemptOutcome
from ticketgen.domain.task_runs import ACTIVE_STATES, NewRun, RunState
from ticketgen.domain.transitions_together import Completion
from ticketgen.domain.users import User

__all__ = ["QUESTIONS", "Question"]


class Question(Protocol):
    """Asks one question about what is at hand."""

    def __call__(self, db: AsyncSession, at: Sample) -> Awaitable[Any]:
        """Ask it in the transaction of `db`."""


_MINUTE = timedelta(minutes=1)
_SCHEDULE = "cleanup.audit_logs"


async def _user(db: AsyncSession, at: Sample) -> User:
    user = await db.get(User, at.owner)
    assert user is not None
    return user


async def _seen_by(db: AsyncSession, at: Sample) -> None:
    among = run_access.seen_by(await _user(db, at))
    await task_runs.list_runs(db, among=among, limit=100)


async def _active_seen_by(db: AsyncSession, at: Sample) -> None:
    among = run_access.seen_by(await _user(db, at))
    await task_runs.list_runs(db, among=among, states=ACTIVE_STATES, limit=100)


async def _may_see(db: AsyncSession, at: Sample) -> None:
    run = await task_runs.get_run(db, at.settled)
    await run_access.may_see_run(db, run, await _user(db, at))


def _new_run(at: Sample) -> NewRun:
    return NewRun(
        task_type="processing",
        payload={},
        exclusivity_key=f"growth:{new_id()}",
        session_id=at.session,
        requested_by=at.owner,
    )


def _new_runs(at: Sample) -> NewRuns:
    return NewRuns(
        task_type="processing",
        run_ids=[new_id() for _ in range(10)],
        payloads=["{}"] * 10,
        requests=["{}"] * 10,
        session_id=at.session,
        requested_by=at.owner,
    )


QUESTIONS: dict[str, Question] = {
    "many_runs.insert_runs": lambda db, at: many_runs.insert_runs(db, _new_runs(at)),
    "task_runs.insert_run": lambda db, at: task_runs.insert_run(db, _new_run(at)),
    "task_runs.find_active_run": lambda db, at: task_runs.find_active_run(
        db, session_id=at.session, conflict_group="work", except_type="export"
    ),
    "task_runs.get_run": lambda db, at: task_runs.get_run(db, at.settled),
    "task_runs.latest_run": lambda db, at: task_runs.latest_run(
        db, session_id=at.session, task_type="export"
    ),
    "task_runs.latest_run (completed)": lambda db, at: task_runs.latest_run(
        db, session_id=at.session, task_type="export", state=RunState.COMPLETED
    ),
    "task_runs.newest_of_lineage": lambda db, at: task_runs.newest_of_lineage(db, at.lineage),
    "task_runs.lock_run": lambda db, at: task_runs.lock_run(db, at.queued),
    "task_runs.list_runs": lambda db, at: task_runs.list_runs(db),
    "task_runs.list_runs (active)": lambda db, at: task_runs.list_runs(db, states=ACTIVE_STATES),
    "task_runs.list_runs (failed)": lambda db, at: task_runs.list_runs(
        db, states=[RunState.FAILED]
    ),
    "task_runs.list_runs (of a type)": lambda db, at: task_runs.list_runs(db, task_type="export"),
    "task_runs.list_runs (of a type, active)": lambda db, at: task_runs.list_runs(
        db, task_type="export", states=ACTIVE_STATES
    ),
    "task_runs.list_runs (of a type nobody has)": lambda db, at: task_runs.list_runs(
        db, task_type="never"
    ),
    "task_runs.list_runs (of a session)": lambda db, at: task_runs.list_runs(
        db, session_id=at.session
    ),
    "task_runs.list_runs (requested by)": lambda db, at: task_runs.list_runs(
        db, requested_by=at.owner
    ),
    "task_runs.hold_announcement": lambda db, at: task_runs.hold_announcement(db, at.settled),
    "task_runs.mark_announced": lambda db, at: task_runs.mark_announced(db, at.settled),
    "task_runs.unannounced_runs": lambda db, at: task_runs.unannounced_runs(
        db, older_than=timedelta(0), limit=100
    ),
    "run_access.seen_by": _seen_by,
    "run_access.seen_by (active)": _active_seen_by,
    "run_access.may_see_run": _may_see,
    "watched_runs.standings": lambda db, at: watched_runs.standings(db, [at.running, at.settled]),
    "watched_runs.runs_by_id": lambda db, at: watched_runs.runs_by_id(db, [at.running, at.settled]),
    "watched_runs.newest_runs": lambda db, at: watched_runs.newest_runs(
        db, [(session, "export") for session in at.sessions]
    ),
    "run_attempts.open_attempt": lambda db, at: run_attempts.open_attempt(
        db,
        run_id=at.queued,
        attempt=2,
        worker_id=at.worker,
        worker="host:1",
        alone=False,
        lease=_MINUTE,
    ),
    "run_attempts.close_attempt": lambda db, at: run_attempts.close_attempt(
        db, at.running, 1, outcome=AttemptOutcome.COMPLETED
    ),
    "run_attempts.renew_leases": lambda db, at: run_attempts.renew_leases(
        db, worker_id=at.worker, held=[(at.running, 1)], lease=_MINUTE
    ),
    "run_attempts.open_attempts_of": lambda db, at: run_attempts.open_attempts_of(db, at.worker),
    "run_attempts.expired_attempts": lambda db, at: run_attempts.expired_attempts(db, limit=100),
    "run_attempts.lock_expired_attempt": lambda db, at: run_attempts.lock_expired_attempt(
        db, at.running, 1
    ),
    "run_attempts.list_attempts": lambda db, at: run_attempts.list_attempts(db, at.settled),
    "run_steps.load_step": lambda db, at: run_steps.load_step(
        db, lineage_id=at.lineage, key="step 1"
    ),
    "run_steps.save_step": lambda db, at: run_steps.save_step(
        db, lineage_id=at.lineage, key="step x", value=1
    ),
    "run_steps.delete_steps": lambda db, at: run_steps.delete_steps(db, at.lineage),
    "transitions.claim_run": lambda db, at: transitions.claim_run(
        db, at.queued, worker_id=at.worker, worker="host:1", lease=_MINUTE
    ),
    "transitions.reserve_run": lambda db, at: transitions.reserve_run(
        db, at.queued, until_claimed=_MINUTE
    ),
    "transitions.hold_attempt": lambda db, at: transitions.hold_attempt(db, at.running, 1),
    "transitions.complete_run": lambda db, at: transitions.complete_run(
        db, at.running, 1, result_summary={}
    ),
    "transitions.fail_run": lambda db, at: transitions.fail_run(db, at.running, 1, error={}),
    "transitions.cancel_run": lambda db, at: transitions.cancel_run(db, at.running, 1),
    "transitions.requeue_run": lambda db, at: transitions.requeue_run(
        db, at.running, 1, outcome=AttemptOutcome.RETRIED
    ),
    "transitions.park_run": lambda db, at: transitions.park_run(db, at.running, 1, reason={}),
    "transitions.request_cancel": lambda db, at: transitions.request_cancel(db, at.running),
    "transitions.cancel_waiting_run": lambda db, at: transitions.cancel_waiting_run(db, at.queued),
    "transitions.park_waiting_runs": lambda db, at: transitions.park_waiting_runs(
        db, [at.queued], reason={}
    ),
    "transitions.resume_runs": lambda db, at: transitions.resume_runs(db, [at.parked]),
    "transitions_together.claim_runs": lambda db, at: transitions_together.claim_runs(
        db,
        [at.queued],
        task_types=["processing", "export"],
        worker_id=at.worker,
        worker="host:1",
        lease=_MINUTE,
    ),
    "transitions_together.complete_runs": lambda db, at: transitions_together.complete_runs(
        db, [Completion(run_id=at.running, attempt=1, result_summary={}, progress=None)]
    ),
    "transitions_together.store_progress": lambda db, at: transitions_together.store_progress(
        db, {(at.running, 1): {"percentage": 1}}
    ),
    "redelivery.undelivered_runs": lambda db, at: redelivery.undelivered_runs(
        db, task_types=["processing", "export"], overdue=timedelta(0)
    ),
    "redelivery.next_delivery": lambda db, at: redelivery.next_delivery(db, at.queued, after=1),
    "redelivery.parkable_runs": lambda db, at: redelivery.parkable_runs(db, waiting=_MINUTE),
    "redelivery.resumable_runs": lambda db, at: redelivery.resumable_runs(db, expiry=_MINUTE),
    "backlog.count_backlog": lambda db, at: backlog.count_backlog(db),
    "backlog.count_active_runs": lambda db, at: backlog.count_active_runs(db),
    "backlog.count_active_runs (of a plugin)": lambda db, at: backlog.count_active_runs(
        db, plugin="export"
    ),
    "backlog.count_settled_runs": lambda db, at: backlog.count_settled_runs(
        db, within=timedelta(hours=1)
    ),
    "schedules.active_run_of": lambda db, at: schedules.active_run_of(db, _SCHEDULE),
    "schedules.active_run_of (or one)": lambda db, at: schedules.active_run_of(
        db, _SCHEDULE, or_run=at.settled
    ),
    "schedules.name_schedule_of_run": lambda db, at: schedules.name_schedule_of_run(
        db, at.queued, _SCHEDULE
    ),
    "schedules.last_fires": lambda db, at: schedules.last_fires(db, [_SCHEDULE]),
}
"""Function, and variant, of the domain → a call of it."""
