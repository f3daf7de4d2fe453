"""Keeps a worker's leases from a thread of its own, so that no handler can hold that up.

The thread has an event loop and connections of its own. It renews the leases of the runs in
hand, says that the process lives, asks whether a run is to be cancelled, and watches the main
event loop: a handler that blocks it keeps its lease, but not in silence. A run whose lease is
gone, or could not be renewed for `lease_patience`, is told to stop before anybody else may have
it. When the loop is blocked beyond the time limit of a run, or beyond the grace of a shutdown,
nobody else can act: the thread settles what is in hand and ends the process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.database import (
    SessionFactory,
    create_engine,
    create_session_factory,
    database_time,
)
from ticketgen.diagnosis import timed_out
from ticketgen.domain import run_attempts, workers
from ticketgen.domain.run_attempts import RunAttempt
from ticketgen.domain.task_runs import TaskRun
from ticketgen.hands import Hands, HeldRun, StopReason
from ticketgen.offering import Offer
from ticketgen.outcomes import Failed, HandedBack
from ticketgen.pulse import Pulse, stack_of
from ticketgen.queue import connect_redis
from ticketgen.settings import Settings
from ticketgen.settling import Settler

__all__ = ["LeaseKeeper", "WorkerIdentity"]

_log = structlog.get_logger(__name__)

_WATCH_SECONDS = 0.25
_LAG_SECONDS = 2.0
"""So late the event loop may be before the one who blocks it is named."""
_OVERDUE_SECONDS = 5.0
"""So long after a time limit, or the end of the grace, a blocked process is ended."""
_SETTLE_SECONDS = 10.0
"""Longest that the last settling of a process that is being ended may take."""
_EXIT_BLOCKED = 75
"""Exit code of a process that was blocked for too long, or cannot keep its leases (EX_TEMPFAIL)."""

Exit = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class WorkerIdentity:
    """Which worker process this is."""

    id: UUID
    max_jobs: int

    @property
    def name(self) -> str:
        """`host:pid`, for people."""
        return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(kw_only=True)
class LeaseKeeper:
    """Keeps the leases of one worker process while `running()` is open."""

    settings: Settings
    worker: WorkerIdentity
    offer: Callable[[], Offer]
    """What it serves at this moment; asked in the thread, at every heartbeat."""
    hands: Hands
    settler: Settler
    """Of the main loop; only its rules are used here, over a connection of this thread's own."""
    told_to_stop_at: Callable[[], float | None] = lambda: None
    """When the process was told to stop, by `time.monotonic()`."""
    exit_process: Exit = os._exit
    lag: float = field(default=0.0, init=False)
    """Seconds the main loop was late when last asked, or has been silent for."""
    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _wake: Callable[[], object] = field(default=lambda: None, init=False)
    """Ends the pause of the thread; safe in any thread."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep leases while the block runs; at its end say that the worker lives no more.

        Raises:
            DBAPIError, OSError: the database could not be told that the worker lives.
        """
        loop = asyncio.get_running_loop()
        begun: Future[None] = Future()
        # So that whoever stops waiting for it does not cancel it under the thread.
        begun.set_running_or_notify_cancel()
        thread = threading.Thread(
            target=self._run, args=(loop, begun), name="lease-keeper", daemon=True
        )
        thread.start()
        try:
            await asyncio.wrap_future(begun)
            yield
        finally:
            self._stopping.set()
            self._wake()
            await asyncio.to_thread(thread.join, 2 * self.settings.lease_renewal.total_seconds())

    def _run(self, main: asyncio.AbstractEventLoop, begun: Future[None]) -> None:
        thread_id = threading.main_thread().ident
        try:
            asyncio.run(self._keep(main, begun, thread_id))
        except BaseException as error:
            if not begun.done():
                begun.set_exception(error)
                return
            _log.exception("lease_keeper_failed")
            # Nobody renews any more: what is in hand is lost, and so is whatever is taken next.
            if not self._stopping.is_set():
                self.exit_process(_EXIT_BLOCKED)

    async def _keep(
        self,
        main: asyncio.AbstractEventLoop,
        begun: Future[None],
        thread_id: int | None,
    ) -> None:
        woken = asyncio.Event()
        self._wake = _waker(asyncio.get_running_loop(), woken)
        async with _connected(self.settings) as (session_factory, redis):
            await self._beat(session_factory, redis)
            begun.set_result(None)
            tick = self.settings.lease_renewal.total_seconds()
            beat = self.settings.heartbeat_interval.total_seconds()
            loops = [
                asyncio.create_task(coroutine)
                for coroutine in (
                    _again(lambda: self._renew(session_factory), tick),
                    _again(lambda: self._beat(session_factory, redis), beat, first_after=beat),
                    _again(
                        lambda: self._look_for_cancels(session_factory),
                        self.settings.cancel_interval.total_seconds(),
                    ),
                )
            ]
            try:
                await self._watch(main, session_factory, thread_id, woken)
            finally:
                await end_tasks(*loops)
            await self._say_farewell(session_factory)

    async def _renew(self, session_factory: SessionFactory) -> None:
        """Renew what is in hand; what is ours no longer is told to stop."""
        # What is confirmed is asked before the look: a claim may be committed during it.
        held = [(item, item.confirmed) for item in self.hands.all()]
        if not held:
            return
        asked_at = time.monotonic()
        async with session_factory() as db:
            renewed = await run_attempts.renew_leases(
                db,
                worker_id=self.worker.id,
                held=[item.key for item, _ in held],
                lease=self.settings.lease,
            )
            ours = renewed | await run_attempts.open_attempts_of(db, self.worker.id)
            await db.commit()
        for item, confirmed in held:
            if item.key in renewed:
                item.renewed_at = asked_at
            elif confirmed and item.key not in ours:
                item.ask_to_stop(StopReason.LEASE_LOST)

    async def _look_for_cancels(self, session_factory: SessionFactory) -> None:
        held = self.hands.all()
        if not held:
            return
        async with session_factory() as db:
            found = await db.execute(
                select(RunAttempt.run_id, RunAttempt.attempt)
                .join(TaskRun, TaskRun.id == RunAttempt.run_id)
                .where(
                    RunAttempt.worker_id == self.worker.id,
                    RunAttempt.ended_at.is_(None),
                    TaskRun.cancel_requested_at.is_not(None),
                )
            )
            wanted = {(row.run_id, row.attempt) for row in found}
        for item in held:
            if item.key in wanted:
                item.ask_to_stop(StopReason.CANCEL)

    async def _beat(self, session_factory: SessionFactory, redis: Redis) -> None:
        """Say that the process lives: in Postgres for us, in Redis for whoever asks there."""
        offer = self.offer()
        async with session_factory() as db:
            await workers.say_alive(
                db,
                worker_id=self.worker.id,
                host=socket.gethostname(),
                pid=os.getpid(),
                version=version("ticketgen-core"),
                task_types=sorted(offer.task_types),
                plugins=dict(offer.plugins),
                failed=offer.failed,
                max_jobs=self.worker.max_jobs,
                running=sum(held.outcome is None for held in self.hands.all()),
                lag=round(self.lag, 3),
            )
            now = await database_time(db)
            await db.commit()
        expiry = max(1, int(self.settings.heartbeat_expiry.total_seconds()))
        try:
            await redis.set("worker:last_heartbeat", now.isoformat(), ex=expiry)
        except (RedisError, OSError) as error:
            _log.warning("heartbeat_not_in_redis", error=str(error))

    async def _watch(
        self,
        main: asyncio.AbstractEventLoop,
        session_factory: SessionFactory,
        thread_id: int | None,
        woken: asyncio.Event,
    ) -> None:
        """Look at the clock and at the main loop until the end is asked for."""
        pulse = Pulse(main)
        named = False
        while not self._stopping.is_set():
            self.lag = pulse.lag()
            if self.lag < _LAG_SECONDS:
                named = False
            elif not named:
                named = True
                _log.error("event_loop_blocked", lag=self.lag, stack=stack_of(thread_id))
            self._stop_unrenewed()
            overdue = self._overdue()
            if self.lag >= _LAG_SECONDS and overdue is not None:
                await self._end_process(session_factory, overdue, thread_id)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    await woken.wait()

    def _stop_unrenewed(self) -> None:
        """What may be taken away any moment has to stop now: others may begin it then."""
        patience = self.settings.lease_patience.total_seconds()
        now = time.monotonic()
        for held in self.hands.all():
            if now - held.renewed_at > patience and not held.is_asked:
                _log.error("lease_not_renewed", run=str(held.run.id), for_seconds=patience)
                held.ask_to_stop(StopReason.LEASE_LOST)

    def _overdue(self) -> list[HeldRun] | None:
        """The runs beyond their limit if the process has to end; None if it need not."""
        now = time.monotonic()
        late = [
            held
            for held in self.hands.all()
            if held.outcome is None and now > held.deadline + _OVERDUE_SECONDS
        ]
        if late:
            return late
        told = self.told_to_stop_at()
        grace = self.settings.shutdown_grace.total_seconds() + _OVERDUE_SECONDS
        return [] if told is not None and now > told + grace else None

    async def _end_process(
        self, session_factory: SessionFactory, late: list[HeldRun], thread_id: int | None
    ) -> None:
        """Fail the runs beyond their limit, hand back the others, and end the process."""
        _log.critical("process_ended_blocked", lag=self.lag, stack=stack_of(thread_id))
        rules = Settler(
            registry=self.settler.registry,
            session_factory=session_factory,
            queue=self.settler.queue,
            announcer=self.settler.announcer,
            settings=self.settings,
        )
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                for held in self.hands.all():
                    await self._settle_last(rules, held, late=held in late)
                await self._say_farewell(session_factory)
        except TimeoutError:
            _log.error("runs_left_to_rescue")
        self.exit_process(_EXIT_BLOCKED)

    async def _settle_last(self, rules: Settler, held: HeldRun, *, late: bool) -> None:
        limit = timedelta(seconds=round(held.deadline - held.taken_at))
        stopped = Failed(error=timed_out(limit, blocked=True)) if late else HandedBack()
        outcome = held.outcome or stopped
        try:
            await rules.store(held.run, outcome)
        except Exception as error:  # the process has to end, whatever one of its runs refuses
            _log.warning("run_left_to_rescue", run=str(held.run.id), error=repr(error))

    async def _say_farewell(self, session_factory: SessionFactory) -> None:
        try:
            async with session_factory() as db:
                await workers.say_farewell(db, self.worker.id)
                await db.commit()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("farewell_not_said", error=str(error))


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[tuple[SessionFactory, Redis]]:
    """Connections of this thread's loop; every wait of theirs is shorter than the patience."""
    brief = min(settings.database_timeout, settings.lease_renewal)
    own = settings.model_copy(update={"database_pool_size": 4, "database_timeout": brief})
    engine = create_engine(own, application_name="ticketgen-leases")
    redis = connect_redis(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        yield create_session_factory(engine), redis


async def _again(
    action: Callable[[], Awaitable[object]], every: float, *, first_after: float = 0.0
) -> None:
    """Do it again and again; after a failure soon, since patience runs out."""
    pause = first_after
    while True:
        await asyncio.sleep(pause)
        pause = every
        try:
            await action()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("lease_keeping_failed", error=str(error)[:300])
            pause = min(every, 0.5)
        except Exception:
            _log.exception("lease_keeping_failed")


def _waker(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> Callable[[], object]:
    def wake() -> None:
        with suppress(RuntimeError):  # the loop has been closed: the thread has ended
            loop.call_soon_threadsafe(woken.set)

    return wake
