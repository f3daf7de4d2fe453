"""One run, three steps: claim it, do the work, settle it; whatever happens, it is settled.

Claim and settle are transactions of their own, the work lies between them, and no queue decides
anything: a delivery that comes twice or late finds nothing to claim, and an attempt that has
been overtaken finds nothing to settle.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.background import end_tasks
from ticketgen.context import RunIdentity, StartedRun, TaskContext
from ticketgen.database import SessionFactory, passes_by_itself
from ticketgen.diagnosis import diagnose, timed_out, unreadable_payload
from ticketgen.domain import failures, sessions, task_runs
from ticketgen.domain.task_runs import StaleAttemptError, TaskRun
from ticketgen.errors import ErrorCategory, NotFoundError, TemporaryError, TicketgenError
from ticketgen.plugin import RetryPolicy
from ticketgen.progress import Publisher, publish_completion, publish_error
from ticketgen.queue import Delivery, RunQueue
from ticketgen.registry import RegisteredTask, Registry
from ticketgen.reporting import ProgressReporter
from ticketgen.settings import Settings
from ticketgen.starting import deliver, delivery_of, unit_of_work
from ticketgen.storable import storable

__all__ = ["Runner", "retry_delay"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Done:
    summary: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Failed:
    error: TicketgenError


@dataclass(frozen=True, kw_only=True)
class _HandedBack:
    pass


_Outcome = _Done | _Failed | _HandedBack


class Runner:
    """Runs runs; every worker process has one."""

    def __init__(
        self,
        *,
        registry: Registry,
        session_factory: SessionFactory,
        queue: RunQueue,
        publisher: Publisher,
        settings: Settings,
        worker_id: UUID,
        randomness: random.Random | None = None,
    ) -> None:
        self._registry = registry
        self._session_factory = session_factory
        self._queue = queue
        self._publisher = publisher
        self._settings = settings
        self.worker_id = worker_id
        self._random = randomness or random.Random()  # noqa: S311 - jitter, not a secret
        self.running: set[UUID] = set()
        """The runs in hand."""

    async def run(self, run_id: UUID) -> None:
        """Claim the run, work, settle; does nothing if there is nothing to claim.

        Cancelling this coroutine hands the run back to the queue without spending a try.
        """
        run = await self._claim(run_id)
        if run is None:
            _log.info("run_not_claimable", run=str(run_id))
            return
        registered = self._registry.task(run.task_type)
        self.running.add(run.id)
        with structlog.contextvars.bound_contextvars(
            plugin=registered.plugin.name,
            task=run.task_type,
            run=str(run.id),
            session=str(run.session_id) if run.session_id else None,
            attempt=run.attempt,
        ):
            try:
                outcome = await self._work(run, registered)
                await self._settle_surely(run, registered, outcome)
            except StaleAttemptError:
                _log.warning("attempt_overtaken")
            finally:
                self.running.discard(run.id)

    async def _claim(self, run_id: UUID) -> TaskRun | None:
        async with self._session_factory() as db:
            run = await task_runs.claim_run(db, run_id, worker_id=self.worker_id)
            if run is not None and run.task_type not in self._registry.tasks:
                # Not committed: it stays queued for a worker that has the plugin.
                _log.error("run_of_unknown_task", run=str(run_id), task=run.task_type)
                return None
            await db.commit()
        return run

    async def _work(self, run: TaskRun, registered: RegisteredTask) -> _Outcome:
        """Run the handler under its time limit; every way it can end becomes an outcome."""
        task = registered.task
        _log.info("run_began", tries=run.tries)
        limit = task.timeout or self._settings.job_timeout
        reporter = ProgressReporter(run, self._publisher, self._session_factory)
        clock = asyncio.timeout(limit.total_seconds())
        try:
            async with clock, reporter.running():
                payload = _payload(run, registered)
                context = self._context(run, registered, reporter)
                return _Done(summary=_summary(await task.handler(context, payload)))
        except StaleAttemptError:
            raise
        except (Exception, SystemExit, asyncio.CancelledError) as error:
            if clock.expired():
                return _Failed(error=timed_out(limit))
            if _is_being_cancelled():
                return _HandedBack()
            return _Failed(error=diagnose(error))

    def _context(
        self, run: TaskRun, registered: RegisteredTask, reporter: ProgressReporter
    ) -> TaskContext:
        async def start(task_type: str, **arguments: Any) -> StartedRun:
            async with unit_of_work(self._session_factory, self._registry, self._queue) as work:
                started = await work.start(task_type, **arguments)
                await task_runs.hold_attempt(work.db, run.id, run.attempt)
            return started

        return TaskContext(
            run=RunIdentity(
                id=run.id,
                task_type=run.task_type,
                session_id=run.session_id,
                lineage_id=run.lineage_id,
                requested_by=run.requested_by,
                attempt=run.attempt,
                tries=run.tries,
            ),
            settings=registered.settings,
            contributions=self._registry,
            hooks=self._registry.hooks,
            session_factory=self._session_factory,
            progress=reporter,
            start=start,
        )

    async def _settle_surely(
        self, run: TaskRun, registered: RegisteredTask, outcome: _Outcome
    ) -> None:
        """Settle, again and again until the database has it.

        A shutdown does not cut it short at once, but after the grace: with the database away
        the run is then left to the reconciler, like any run of a worker that died.
        """
        cancelled = isinstance(outcome, _HandedBack)
        settling = asyncio.create_task(self._settle_with_patience(run, registered, outcome))
        grace = self._settings.shutdown_grace.total_seconds()
        while not settling.done():
            try:
                _, pending = await asyncio.wait({settling}, timeout=grace if cancelled else None)
            except asyncio.CancelledError:
                cancelled = True
            else:
                if pending:
                    await end_tasks(settling)
        if not settling.cancelled():
            settling.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _settle_with_patience(
        self, run: TaskRun, registered: RegisteredTask, outcome: _Outcome
    ) -> None:
        delay = 0.2
        refused = False
        while True:
            try:
                await self._settle(run, registered, outcome)
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                if passes_by_itself(error):
                    _log.warning("settle_postponed", error=str(error), retry_in=delay)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, 5.0)
                elif refused:
                    raise
                else:
                    _log.exception("settle_refused")
                    refused, outcome = True, _Failed(error=diagnose(error))
            else:
                return

    async def _settle(self, run: TaskRun, registered: RegisteredTask, outcome: _Outcome) -> None:
        if isinstance(outcome, _Done):
            await self._complete(run, registered, outcome.summary)
        elif isinstance(outcome, _HandedBack):
            await self._hand_back(run)
        elif self._may_retry(run, registered.task.retry, outcome.error):
            await self._retry(run, registered, outcome.error)
        else:
            await self._fail(run, registered, outcome.error)

    async def _complete(
        self, run: TaskRun, registered: RegisteredTask, summary: dict[str, Any]
    ) -> None:
        stages = registered.task.stages
        async with self._session_factory() as db:
            await _move_stage(db, run, stages.on_success if stages else None)
            settled = await task_runs.complete_run(db, run.id, run.attempt, result_summary=summary)
            await db.commit()
        _log.info("run_completed")
        await publish_completion(self._publisher, settled)

    async def _fail(self, run: TaskRun, registered: RegisteredTask, error: TicketgenError) -> None:
        stages = registered.task.stages
        async with self._session_factory() as db:
            await _move_stage(db, run, stages.on_failure if stages else None)
            problem = await _recorded(db, run, error, severity="blocking")
            settled = await task_runs.fail_run(db, run.id, run.attempt, error=problem)
            await db.commit()
        _log.error(
            "run_failed", code=error.code, error=error.message, details=error.technical_details
        )
        await publish_error(self._publisher, settled)

    async def _retry(self, run: TaskRun, registered: RegisteredTask, error: TicketgenError) -> None:
        policy = registered.task.retry
        delay = retry_delay(
            policy, self._settings, tries=run.tries, error=error, randomness=self._random
        )
        async with self._session_factory() as db:
            problem = await _recorded(db, run, error, severity="transient")
            queued = await task_runs.requeue_run(
                db, run.id, run.attempt, delay=delay, spend_try=True, error=problem
            )
            await db.commit()
        _log.warning("run_retried", code=error.code, delay_seconds=delay.total_seconds())
        again = delivery_of(queued, registered.task)
        await deliver(
            self._queue,
            (
                Delivery(
                    run_id=again.run_id,
                    task_type=again.task_type,
                    delivery=again.delivery,
                    job_name=again.job_name,
                    available_at=queued.available_at,
                ),
            ),
        )

    async def _hand_back(self, run: TaskRun) -> None:
        async with self._session_factory() as db:
            queued = await task_runs.requeue_run(
                db, run.id, run.attempt, delay=timedelta(0), spend_try=False
            )
            await db.commit()
        _log.info("run_handed_back")
        await deliver(self._queue, (delivery_of(queued, self._registry.task(run.task_type).task),))

    @staticmethod
    def _may_retry(run: TaskRun, policy: RetryPolicy, error: TicketgenError) -> bool:
        return error.category is ErrorCategory.TEMPORARY and run.tries < policy.max_tries


def retry_delay(
    policy: RetryPolicy,
    settings: Settings,
    *,
    tries: int,
    error: TicketgenError,
    randomness: random.Random,
) -> timedelta:
    """How long to wait before the next try: full jitter under an exponential ceiling.

    Never less than the error's `retry_after`. `tries` counts the tries so far, from 1.
    """
    base = policy.base if policy.base is not None else settings.retry_delay
    limit = policy.limit if policy.limit is not None else settings.retry_delay_limit
    ceiling = min(limit, base * float(2 ** min(tries - 1, 20)))
    delay = ceiling * randomness.random()
    asked = error.retry_after if isinstance(error, TemporaryError) else None
    return max(delay, asked) if asked is not None else delay


def _summary(returned: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    plain = returned.model_dump(mode="json") if isinstance(returned, BaseModel) else dict(returned)
    summary: dict[str, Any] = storable(plain)
    return summary


def _payload(run: TaskRun, registered: RegisteredTask) -> BaseModel:
    model: type[BaseModel] = registered.task.payload
    try:
        return model.model_validate(run.payload)
    except ValidationError as error:
        raise unreadable_payload(error) from error


def _is_being_cancelled() -> bool:
    """Whether somebody cancelled this attempt; a handler may also await what was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _move_stage(db: AsyncSession, run: TaskRun, stage: sessions.Stage | None) -> None:
    """Move the run's session; its row is locked before the run's, as a start does it."""
    if run.session_id is None or stage is None:
        return
    try:
        session = await sessions.lock_session(db, run.session_id)
    except NotFoundError as error:
        raise StaleAttemptError(f"The session of run {run.id} was deleted.") from error
    session.stage = stage


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
    return {
        "error_id": str(failure.id),
        "error_category": str(error.category),
        "code": failure.code,
        "user_message": failure.user_message,
        "recovery_actions": failure.recovery_actions,
    }
