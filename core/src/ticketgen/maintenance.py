"""Brings rows, queue and workers together again, whatever was lost on the way.

A loop in every API and worker process; one of them at a time does it, by an advisory lock. It is
no job: a job would wait behind two half-hour runs, and with no worker left somebody must still
say so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.background import end_tasks
from ticketgen.conformance import Problem
from ticketgen.database import SessionFactory, database_time
from ticketgen.delivering import deliver, deliveries_of
from ticketgen.domain import redelivery, run_attempts, task_runs, transitions, workers
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.workers import WorkerProcess
from ticketgen.errors import TemporaryError
from ticketgen.queue import Delivery, job_id_of
from ticketgen.settling import Settler

__all__ = ["Reconciler", "repeating"]

_log = structlog.get_logger(__name__)

_RECONCILE_LOCK = 0x71C4_0001
"""Key of the advisory lock; any number that nothing else in the database uses."""

_OVERDUE = timedelta(seconds=2)
"""A run that is due for so long should have been claimed, if the queue had it."""

_UNANNOUNCED = timedelta(seconds=5)
"""Whoever settles a run publishes its ending at once; after so long it has not."""

_BATCH = 500

_SWEEP_SECONDS = 5.0
"""So long one look may go on pushing, though Redis has lost all it had: rescues wait meanwhile."""


@asynccontextmanager
async def repeating(
    action: Callable[[], Awaitable[object]], *, every: timedelta, name: str
) -> AsyncIterator[None]:
    """Do something again and again while the block runs; a failure is logged, never the end."""

    async def loop() -> None:
        while True:
            try:
                await action()
            except (DBAPIError, PoolTimeoutError, RedisError, OSError, TemporaryError) as e:
                _log.warning("loop_failed", loop=name, error=str(e))
            except Exception:
                _log.exception("loop_failed", loop=name)
            await asyncio.sleep(every.total_seconds())

    task = asyncio.create_task(loop(), name=name)
    try:
        yield
    finally:
        await end_tasks(task)


@dataclass(kw_only=True)
class Reconciler:
    """Rescues, redelivers, parks, resumes and announces; safe in any number of processes."""

    settler: Settler
    _last_look: datetime | None = field(default=None, init=False)
    _hurt_until: datetime | None = field(default=None, init=False)
    _swept_to: tuple[datetime, UUID] | None = field(default=None, init=False)

    @property
    def _session_factory(self) -> SessionFactory:
        return self.settler.session_factory

    async def reconcile(self) -> None:
        """Do everything once, unless another process does; what fails keeps nothing else from it.

        Raises:
            QueueUnavailableError: Redis did not answer; the rest is pushed the next time.
        """
        failed: list[Exception] = []
        async with self._session_factory() as db:
            # Before the lock: a look that another process wins is no gap.
            may_judge = await self._may_judge(db)
            locked = await db.scalar(
                text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _RECONCILE_LOCK}
            )
            if not locked:
                return
            # The lock is held while others' connections do the work, each in short transactions.
            deeds = [self._park_and_resume, self._announce, self._redeliver]
            for deed in [self._rescue, *deeds] if may_judge else deeds:
                try:
                    await deed()
                except Exception as error:
                    _log.warning("reconciling_failed", deed=deed.__name__, error=str(error)[:300])
                    failed.append(error)
            self._last_look = await database_time(db)
        if failed:
            raise failed[0]

    async def _may_judge(self, db: AsyncSession) -> bool:
        """Whether a lease that has run out means that its worker is dead.

        After a gap between our own looks (the database was away, the machine slept) no lease was
        renewed, those of the living neither: they get two renewals' time.
        """
        now = await database_time(db)
        beat = self.settler.settings.lease_renewal
        gap = max(beat, 3 * self.settler.settings.reconcile_interval)
        if self._last_look is not None and now - self._last_look > gap:
            self._hurt_until = now + 2 * beat
        self._last_look = now
        return self._hurt_until is None or now >= self._hurt_until

    async def _rescue(self) -> None:
        """Take expired runs from their workers, each in a transaction of its own."""
        async with self._session_factory() as db:
            expired = await run_attempts.expired_attempts(db, limit=_BATCH)
            await workers.forget_dead_workers(db)
            await db.commit()
        again: list[TaskRun] = []
        until = time.monotonic() + _SWEEP_SECONDS
        for run_id, attempt in expired:
            if time.monotonic() > until:
                break  # the next look goes on; one that never ends would be taken for a gap
            try:
                rescued = await self.settler.rescue(run_id, attempt)
            except Exception:  # one that cannot be rescued must not keep the others from it
                _log.exception("rescue_failed", run=str(run_id))
            else:
                again += [rescued] if rescued is not None and rescued.is_active else []
        await deliver(self.settler.queue, again, self.settler.registry)

    async def _park_and_resume(self) -> None:
        settings = self.settler.settings
        async with self._session_factory() as db:
            stuck = await redelivery.parkable_runs(db, waiting=settings.park_after, limit=_BATCH)
            alive = await workers.list_live_workers(db, expiry=settings.heartbeat_expiry)
            parked: list[TaskRun] = []
            for plugin, runs in _by_plugin(stuck).items():
                parked += await transitions.park_waiting_runs(
                    db,
                    [run.id for run in runs],
                    reason=_unserved(plugin, alive, self.settler.registry.problem_of(plugin)),
                )
            ready = await redelivery.resumable_runs(
                db, expiry=settings.heartbeat_expiry, limit=_BATCH
            )
            resumed = await transitions.resume_runs(db, [run.id for run in ready])
            await db.commit()
        for run in parked:
            _log.warning("run_parked", run=str(run.id), task=run.task_type, because=run.parked)
        # Nobody serves them: in the queue they would only be walked past.
        await self.settler.queue.withdraw(
            *(
                job_id_of(task_type=run.task_type, run_id=run.id, delivery=run.delivery)
                for run in parked
            )
        )
        for run in resumed:
            _log.info("run_resumed", run=str(run.id), task=run.task_type)
        await deliver(self.settler.queue, resumed, self.settler.registry)

    async def _announce(self) -> None:
        """Announce the endings that whoever settled the run did not get to announce."""
        async with self._session_factory() as db:
            unsaid = await task_runs.unannounced_runs(db, older_than=_UNANNOUNCED, limit=_BATCH)
        for run in unsaid:
            try:
                said = await self.settler.announcer.announce(run)
            except Exception:  # one that cannot be told must not keep the others from it
                _log.exception("announcing_failed", run=str(run.id))
                continue
            if not said:
                break  # Redis is away: the next one would wait for it as long
        await self.settler.announcer.all_noted()

    async def _redeliver(self) -> None:
        """Push what is due and unknown to the queue: a page a time, on while pages are lost."""
        registry = self.settler.registry
        until = time.monotonic() + _SWEEP_SECONDS
        while True:
            async with self._session_factory() as db:
                due = await redelivery.undelivered_runs(
                    db,
                    task_types=registry.tasks.keys(),
                    overdue=_OVERDUE,
                    after=self._swept_to,
                    limit=_BATCH,
                )
            absent = await self.settler.queue.absent(deliveries_of(due, registry))
            await self._push_anew(absent)
            more = len(due) == _BATCH
            self._swept_to = (due[-1].available_at, due[-1].id) if more else None
            if not more or not absent or time.monotonic() > until:
                return

    async def _push_anew(self, lost: Sequence[Delivery]) -> None:
        if not lost:
            return
        again: list[Delivery] = []
        async with self._session_factory() as db:
            for delivery in lost:
                number = await redelivery.next_delivery(
                    db, delivery.run_id, after=delivery.delivery
                )
                if number is not None:
                    again.append(replace(delivery, delivery=number))
            await db.commit()
        for delivery in again:
            _log.info("run_redelivered", run=str(delivery.run_id), delivery=delivery.delivery)
        if again:
            await self.settler.queue.push(*again)


def _by_plugin(runs: Sequence[TaskRun]) -> dict[str, list[TaskRun]]:
    found: dict[str, list[TaskRun]] = {}
    for run in runs:
        found.setdefault(run.task_type.partition(".")[0], []).append(run)
    return found


def _unserved(
    plugin: str, alive: Sequence[WorkerProcess], problem: Problem | None
) -> dict[str, str]:
    """Why a run is parked that nobody offers to run, and what to do about it.

    `problem` is what this process knows to be wrong with the plugin.
    """
    broken = next((worker for worker in alive if plugin in worker.failed), None)
    if broken is not None:
        where, why = f" in the worker {broken.host}:{broken.pid}", broken.failed[plugin]
    elif problem is not None and alive:
        where, why = "", problem.reason
    elif alive:
        message = (
            f"No running worker offers the plugin {plugin}; install it where the workers run, or "
            "start a worker that serves it."
        )
        return {"code": "not_served", "message": message, "plugin": plugin}
    else:
        message = "No worker is running; start `ticketgen-worker`."
        return {"code": "not_served", "message": message, "plugin": plugin}
    message = (
        f"The plugin {plugin} is out of use{where} ({why}); mend it, or start a worker in which "
        "it works. `ticketgen plugins doctor` says more."
    )
    return {"code": "plugin_failed", "message": message, "plugin": plugin}
