"""The arq worker that is woken, takes only what it serves, outlives Redis, and ends in time.

How jobs are taken, run and removed, what happens when the plumbing breaks, and how it stops are
done here; arq's own gives the settings, the functions, the ticks and the signals. What a job is
stands in its id, so its body is not read: that is for arq's own workers. `claiming.py` says how
jobs are taken, `queue_watch.py` how a worker that has nothing to do hears of one.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from arq import Retry
from arq import Worker as ArqWorker
from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.utils import to_unix_ms
from arq.worker import Function
from redis.exceptions import RedisError

from ticketgen.claiming import ClaimedJob, JobClaims
from ticketgen.process_end import end_process_soon
from ticketgen.queue import JobWriter
from ticketgen.queue_watch import QueueWatch

__all__ = ["Worker"]

_log = structlog.get_logger(__name__)

_REDIS_PAUSE_SECONDS = 0.5
"""Between two looks at a Redis that does not answer."""

_UNHEARD_SECONDS = 0.5
"""Between two looks while changes of the queue cannot be heard, at most."""

_SAFETY_SECONDS = 5.0
"""Between two looks of an idle worker, though nothing was heard."""

_FRUITLESS_LOOKS = 3
"""So many looks in a row may find nothing, before an idle worker makes pauses between them: what
others do to the queue wakes it too."""

_CALM_SECONDS = 0.05
"""Longest of these pauses."""

_FIRST_ANSWER_TRIES = 5
"""At the start, a second apart, as arq does."""

_ONE_GESTURE_SECONDS = 1.0
"""Signals so close together are one: a Ctrl-C may arrive from the terminal and from a parent."""

_HAND_BACK_SECONDS = 12.0
"""What a job may take, besides the grace, to end after its cancellation."""

_SHUTDOWN_SECONDS = 10.0
"""What each step of closing may take."""

_STANDARD_ERROR = 2
_BLOCKED_LINE = b'{"event": "process_ended_hard", "reason": "told to stop twice, loop blocked"}\n'


def _no_limit() -> int | None:
    return None


class Worker(ArqWorker):
    """An arq worker on a queue that it shares with others.

    `served` says whose jobs it takes now: task types, and names of cron jobs. `job_names` says by
    task type which function runs its jobs, and gives it the second part of the job's id: of a run
    that is the run's. `may_take` says how many more runs this process may take now: None is as
    many as there are slots, and with 0 only cron jobs are taken, which are no runs.
    `shutdown_limit` is what `on_shutdown` may take. arq's hooks around single jobs are not called.
    """

    def __init__(
        self,
        *args: Any,
        redis_pool: ArqRedis,
        served: Callable[[], Collection[str]],
        job_names: Mapping[str, str],
        may_take: Callable[[], int | None] = _no_limit,
        shutdown_limit: float = _SHUTDOWN_SECONDS,
        **kwargs: Any,
    ) -> None:
        self.may_take = may_take
        self.told_to_stop_at: float | None = None
        """When the first signal to stop came, by `time.monotonic()`; readable in any thread."""
        self._stopping = False
        super().__init__(*args, redis_pool=redis_pool, **kwargs)
        self._now_served = served
        self._job_names = job_names
        self._shutdown_limit = shutdown_limit
        self._ticks = frozenset(cron_job.name for cron_job in self.cron_jobs)
        self._claims = JobClaims(
            redis_pool,
            queue_name=self.queue_name,
            timeout=timedelta(seconds=self.in_progress_timeout_s),
        )
        self._jobs = JobWriter(redis_pool, self.queue_name)
        self._watch = QueueWatch(redis_pool.connection_pool, self.queue_name)
        self._done: list[str] = []
        """Ended, and still to be removed from the queue; the next look does it."""
        self._adrift: dict[str, ClaimedJob] = {}
        """Taken, not run to the end, and still to be given back."""
        self._ending: set[str] = set()
        """Jobs whose work is over: what is left to do for them takes no slot."""
        self._fruitless = 0
        self._opened = False

    @property
    def _served(self) -> frozenset[str]:
        return frozenset(self._now_served())

    def run(self) -> None:
        """Work until told to stop, and close everything; the process is to end after that.

        A handler that swallows its cancellation, or sits in a thread, cannot keep it alive: the
        interpreter gets some seconds to end by itself, if the worker handles signals, which means
        that the process is its own.
        """
        try:
            super().run()
        finally:
            if self._handle_signals:
                end_process_soon()

    async def main(self) -> None:
        """Take jobs and run them until told to stop; in burst mode until none is left for us."""
        await self._first_answer()
        self.ctx["redis"] = self.pool
        if self.on_startup:
            await self.on_startup(self.ctx)
        self._opened = True
        async with self._watch.running():
            while not await self._burst_is_over():
                self._watch.changed.clear()
                await self._poll_iteration()
                await self._pause()

    async def _first_answer(self) -> None:
        for _ in range(_FIRST_ANSWER_TRIES - 1):
            try:
                await self.pool.ping()
            except (RedisError, OSError) as error:
                _log.warning("queue_unreachable", error=str(error))
                await asyncio.sleep(1)
            else:
                return
        await self.pool.ping()

    async def _pause(self) -> None:
        """Wait until a slot is free, the queue changes, or something comes due."""
        room = self._room > 0
        if room and self._fruitless > _FRUITLESS_LOOKS:
            await asyncio.sleep(min(_CALM_SECONDS, 0.005 * (self._fruitless - _FRUITLESS_LOOKS)))
        unheard = min(float(self.poll_delay_s), _UNHEARD_SECONDS)
        longest = _SAFETY_SECONDS if self._watch.is_hearing else unheard
        until_next = min(longest, self._until_next_tick())
        if room:
            until_next = min(until_next, max(0.0, self._claims.next_due))
        begun = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(until_next):
                await self._watch.changed.wait()
        if time.monotonic() - begun > _CALM_SECONDS:
            self._fruitless = 0

    def _until_next_tick(self) -> float:
        now = datetime.now(tz=self.timezone or UTC) + self._claims.clock_lead
        due = [cron_job.next_run - now for cron_job in self.cron_jobs if cron_job.next_run]
        return max(0.0, min(due).total_seconds()) if due else _SAFETY_SECONDS

    async def _burst_is_over(self) -> bool:
        if not self.burst or self.tasks or self._adrift or self._done:
            return False
        if 0 <= self.max_burst_jobs <= self._jobs_started():
            return True
        try:
            return not await self._claims.any_left(self._served)
        except (RedisError, OSError):
            return False

    async def _poll_iteration(self) -> None:
        """Look for jobs once; a Redis that does not answer is asked again later.

        What runs goes on meanwhile: neither its row nor its lease needs Redis.
        """
        try:
            await self._give_back_adrift()
            await self._take()
            await self.heart_beat()
        except (RedisError, OSError) as error:
            _log.warning("queue_unreachable", error=str(error))
            await asyncio.sleep(_REDIS_PAUSE_SECONDS)
        except Exception:
            _log.exception("queue_look_failed")
            await asyncio.sleep(_REDIS_PAUSE_SECONDS)

    async def _take(self) -> None:
        """Claim as many jobs as there is room for, start them, and remove those that are done."""
        wanted, served = self._room, self._served
        if self.max_burst_jobs >= 0:
            wanted = min(wanted, self.max_burst_jobs - self._jobs_started())
        limit = self.may_take()
        if limit == 0:
            served &= self._ticks
        elif limit is not None:
            wanted = min(wanted, limit)
        if not self.allow_pick_jobs or not served:
            wanted = 0
        if wanted < 1 and not self._done:
            self._claims.next_due = math.inf  # of what may not be taken, nobody waits for the time
            return
        done = tuple(self._done)
        ticks = [job_id for job_id in done if job_id.partition(":")[0] in self._ticks]
        taken = await self._claims.claim(
            max(0, wanted),
            served=served,
            done=[job_id for job_id in done if job_id not in ticks],
            remembered=ticks,
        )
        del self._done[: len(done)]
        self._fruitless = 0 if taken or done else self._fruitless + 1
        for job in taken:
            if not self.allow_pick_jobs:  # told to stop while Redis was answering
                self._adrift[job.job_id] = job
            elif job.job_id not in self.tasks:
                self._start(job)
        await self._give_back_adrift()

    @property
    def _room(self) -> int:
        """How many more jobs there are slots for; of those that are ending, as many as slots."""
        beside = min(len(self._ending), self.max_jobs)
        return self.max_jobs + beside - len(self.tasks)

    def _start(self, job: ClaimedJob) -> None:
        task = self.loop.create_task(self._work(job))
        self.tasks[job.job_id] = task
        task.add_done_callback(partial(self._ended, job))

    async def _work(self, job: ClaimedJob) -> None:
        """Run the function of one job; whatever it raises, the job is done, or comes again."""
        function, arguments = self._called(job)
        limit = self.job_timeout_s if function.timeout_s is None else function.timeout_s
        try:
            async with asyncio.timeout(limit):
                await function.coroutine(self._context(job), *arguments)
        except Retry as retry:
            self.jobs_retried += 1
            pause = timedelta(milliseconds=retry.defer_score or 0)
            await self._claims.give_back(job, after=pause)
            return
        except Exception:
            self.jobs_failed += 1
            _log.exception("job_failed", job=job.job_id)
        else:
            self.jobs_complete += 1
        self._done.append(job.job_id)

    def _context(self, job: ClaimedJob) -> dict[str, Any]:
        """What the function is given: `worked` is for it to call when only the rest is left."""

        def worked() -> None:
            self._ending.add(job.job_id)
            self._watch.changed.set()

        return {**self.ctx, "job_id": job.job_id, "worked": worked}

    def _called(self, job: ClaimedJob) -> tuple[Function | CronJob, tuple[str, ...]]:
        """What runs the job, and with what; `served` has left out what nothing here runs."""
        name, _, rest = job.job_id.partition(":")
        if name in self._ticks:
            return self.functions[name], ()
        return self.functions[self._job_names[name]], (rest.partition(":")[0],)

    def _ended(self, job: ClaimedJob, task: asyncio.Task[Any]) -> None:
        """Free the slot; what the plumbing raises costs this job its attempt, and no more.

        If it was Redis, or a cancellation, the job is given back. Anything else would come again
        at once; that job comes back when its claim has expired.
        """
        del self.tasks[job.job_id]
        self._ending.discard(job.job_id)
        self._watch.changed.set()
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if isinstance(error, RedisError | OSError | asyncio.CancelledError):
            _log.warning("job_given_back", job=job.job_id, error=repr(error))
            self._adrift[job.job_id] = job
        elif error is not None:
            _log.error("job_broke", job=job.job_id, exc_info=error)

    async def _give_back_adrift(self) -> None:
        for job in tuple(self._adrift.values()):
            await self._claims.give_back(job)
            self._adrift.pop(job.job_id, None)

    async def run_cron(self, n: datetime, delay: float, num_windows: int = 2) -> None:
        """Enqueue the cron jobs that are due by the server's clock.

        Those that Redis did not take are still due at the next look; arq would forget them.
        """
        now = n + self._claims.clock_lead
        served = self._served
        due: dict[str, CronJob] = {}
        for cron_job in self.cron_jobs:
            if cron_job.next_run is None:
                cron_job.calculate_next(now)
            elif cron_job.next_run > now:
                continue
            elif cron_job.name not in served:
                cron_job.calculate_next(now)
            else:
                due[f"{cron_job.name}:{to_unix_ms(cron_job.next_run)}"] = cron_job
        if not due:
            return
        await self._jobs.write({job_id: (job.name, ()) for job_id, job in due.items()})
        for cron_job in due.values():
            cron_job.calculate_next(cron_job.next_run or now)

    def _add_signal_handler(
        self, signum: signal.Signals, handler: Callable[[signal.Signals], None]
    ) -> None:
        """Hear a signal also while a handler keeps the event loop from taking its turn.

        The loop's own way is for a loop that takes turns; Python's runs between two bytecodes.
        """
        signal.signal(signum, lambda number, _: self._told_to_stop(handler, signal.Signals(number)))

    def _told_to_stop(
        self, handler: Callable[[signal.Signals], None], signum: signal.Signals
    ) -> None:
        """The first time: as arq stops. Again: at once, and if the loop is blocked, this moment."""
        now = time.monotonic()
        if self.told_to_stop_at is None:
            self.told_to_stop_at = now
            self.loop.call_soon_threadsafe(self._stop, handler, signum)
        elif now - self.told_to_stop_at < _ONE_GESTURE_SECONDS:
            return
        elif self._stopping:
            self.loop.call_soon_threadsafe(self.handle_sig, signum)
        else:
            # No logger here: a signal may have come in the middle of one.
            os.write(_STANDARD_ERROR, _BLOCKED_LINE)
            os._exit(128 + signum)

    def _stop(self, handler: Callable[[signal.Signals], None], signum: signal.Signals) -> None:
        self._stopping = True
        handler(signum)

    async def close(self) -> None:
        """Hand back what is in hand, and close everything; in bounded time, whatever refuses."""
        if self._pool is None:
            return
        self.allow_pick_jobs = False
        await self._end_jobs()
        await _in_time(self._leave_queue(), doing="leave_queue")
        if self.on_shutdown and self._opened:
            limit = self._shutdown_limit
            await _in_time(self.on_shutdown(self.ctx), doing="on_shutdown", limit=limit)
        await _in_time(self.pool.aclose(close_connection_pool=True), doing="close_redis")
        self._pool = None

    async def _end_jobs(self) -> None:
        tasks = tuple(self.tasks.values())
        for task in tasks:
            # A second cancellation would break off the `finally` block that the first one began.
            if not task.cancelling():
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=self._job_completion_wait + _HAND_BACK_SECONDS)
        if self.tasks:
            _log.error("jobs_left_behind", jobs=sorted(self.tasks))

    async def _leave_queue(self) -> None:
        await self._give_back_adrift()
        await self._take()
        await self.pool.delete(self.health_check_key)


async def _in_time(step: Awaitable[Any], *, doing: str, limit: float = _SHUTDOWN_SECONDS) -> None:
    """One step of closing; the next ones are taken even if it fails, or does not end."""
    try:
        async with asyncio.timeout(limit):
            await step
    except Exception as error:
        _log.warning("close_step_failed", step=doing, error=repr(error))
