"""Core's own loops: heartbeat, rescue, and delivery of what the queue has never heard of.

They run beside the work in every worker, and the reconciler in every API process too: a job
would wait behind two half-hour runs, and with no worker left somebody must still say so.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.background import end_tasks
from ticketgen.database import SessionFactory, database_time
from ticketgen.domain import redelivery, workers
from ticketgen.domain.task_runs import TaskRun
from ticketgen.queue import Delivery, QueueUnavailableError, RunQueue
from ticketgen.registry import Registry
from ticketgen.settings import Settings
from ticketgen.starting import delivery_of

__all__ = ["Heartbeat", "Reconciler", "repeating"]

_log = structlog.get_logger(__name__)

_RECONCILE_LOCK = 0x71C4_0001
"""Key of the advisory lock; any number that nothing else in the database uses."""

_OVERDUE = timedelta(seconds=2)


@asynccontextmanager
async def repeating(
    action: Callable[[], Awaitable[object]], *, every: timedelta, name: str
) -> AsyncIterator[None]:
    """Do something again and again while the block runs; a failure is logged, never the end."""

    async def loop() -> None:
        while True:
            try:
                await action()
            except (DBAPIError, PoolTimeoutError, RedisError, OSError, QueueUnavailableError) as e:
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
    """Brings rows and queue together; one process at a time does it, by an advisory lock."""

    session_factory: SessionFactory
    queue: RunQueue
    registry: Registry
    settings: Settings
    _last_tick: datetime | None = field(default=None, init=False)
    _hurt_until: datetime | None = field(default=None, init=False)

    async def reconcile(self) -> None:
        """Queue the runs of dead workers again, then push every run the queue does not know.

        Raises:
            QueueUnavailableError: Redis did not answer; the rest is pushed the next time.
        """
        async with self.session_factory() as db:
            # Before the lock: a look that another process wins is no gap.
            may_judge = await self._may_judge(db)
            locked = await db.scalar(
                text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _RECONCILE_LOCK}
            )
            if not locked:
                return
            rescued = await self._rescue(db) if may_judge else []
            overdue = await redelivery.undelivered_runs(
                db, task_types=self.registry.tasks.keys(), overdue=_OVERDUE
            )
            await db.commit()
        for run in rescued:
            _log.warning("run_rescued", run=str(run.id), task=run.task_type, rescues=run.rescues)
        known = [run for run in overdue + rescued if run.task_type in self.registry.tasks]
        by_id = {run.id: run for run in known}
        waiting = [
            delivery_of(run, self.registry.tasks[run.task_type].task) for run in by_id.values()
        ]
        for delivery in await self.queue.absent(waiting):
            await self._push_anew(delivery)

    async def _may_judge(self, db: AsyncSession) -> bool:
        """Whether silence of a worker means that it is dead.

        After a gap between our own looks (the database was away, the machine slept) everybody
        was silent, the living too: they get two heartbeats' time to say that they live.
        """
        now = await database_time(db)
        beat = self.settings.heartbeat_interval
        if self._last_tick is not None and now - self._last_tick > beat:
            self._hurt_until = now + 2 * beat
        self._last_tick = now
        return self._hurt_until is None or now >= self._hurt_until

    async def _rescue(self, db: AsyncSession) -> list[TaskRun]:
        live = await workers.list_live_workers(db, expiry=self.settings.heartbeat_expiry)
        await workers.forget_dead_workers(db)
        return await redelivery.requeue_runs_of_dead_workers(
            db, live_workers=[worker.id for worker in live]
        )

    async def _push_anew(self, lost: Delivery) -> None:
        async with self.session_factory() as db:
            number = await redelivery.next_delivery(db, lost.run_id, after=lost.delivery)
            await db.commit()
        if number is None:
            return
        _log.info("run_redelivered", run=str(lost.run_id), task=lost.task_type, delivery=number)
        await self.queue.push(replace(lost, delivery=number))


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """Says that this worker process lives: in Postgres for us, in Redis for whoever asks there."""

    worker_id: UUID
    session_factory: SessionFactory
    redis: Redis
    settings: Settings
    task_types: tuple[str, ...]
    max_jobs: int
    held: Callable[[], Collection[UUID]]
    """The runs in this process's hands."""

    async def beat(self) -> None:
        """Say it once, and give back what is ours by its row but not in our hands.

        That happens when the answer to a commit is lost, of a claim or of a settle.
        """
        held = self.held()
        async with self.session_factory() as db:
            await workers.say_alive(
                db,
                worker_id=self.worker_id,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=version("ticketgen-core"),
                task_types=sorted(self.task_types),
                max_jobs=self.max_jobs,
                running=len(held),
            )
            dropped = await redelivery.requeue_dropped_runs(
                db, worker_id=self.worker_id, held=tuple(held)
            )
            now = await database_time(db)
            await db.commit()
        for run in dropped:
            _log.warning("run_dropped", run=str(run.id), task=run.task_type)
        expiry = int(self.settings.heartbeat_expiry.total_seconds())
        await self.redis.set("worker:last_heartbeat", now.isoformat(), ex=max(1, expiry))

    async def stop(self) -> None:
        """Say that it lives no more."""
        try:
            async with self.session_factory() as db:
                await workers.forget_worker(db, self.worker_id)
                await db.commit()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("worker_not_forgotten", error=str(error))
