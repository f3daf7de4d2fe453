"""The arq worker that takes only what it serves, outlives Redis, and ends in bounded time.

arq's own runs one job (`run_job`, `finish_job`); how jobs are taken, what happens when its
plumbing breaks, and how it stops are done here. `claiming.py` says why and how jobs are taken.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from arq import Worker as ArqWorker
from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.utils import timestamp_ms, to_unix_ms
from redis.exceptions import RedisError

from ticketgen.claiming import ClaimedJob, JobClaims
from ticketgen.process_end import end_process_soon
from ticketgen.queue import JobWriter

__all__ = ["Worker"]

_log = structlog.get_logger(__name__)

_REDIS_PAUSE_SECONDS = 0.5
"""Between two looks at a Redis that does not answer."""

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

    `served` says whose jobs it takes now: task types, and names of cron jobs. `may_take` says how
    many more runs this process may take now: None is as many as there are slots, and with 0 only
    cron jobs are taken, which are no runs. `shutdown_limit` is what `on_shutdown` may take.
    """

    def __init__(
        self,
        *args: Any,
        redis_pool: ArqRedis,
        served: Callable[[], Collection[str]],
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
        self._shutdown_limit = shutdown_limit
        self._ticks = frozenset(cron_job.name for cron_job in self.cron_jobs)
        self._claims = JobClaims(
            redis_pool,
            queue_name=self.queue_name,
            timeout=timedelta(seconds=self.in_progress_timeout_s),
        )
        self._jobs = JobWriter(redis_pool, self.queue_name)
        self._in_hand: dict[str, ClaimedJob] = {}
        self._adrift: dict[str, ClaimedJob] = {}
        """Taken, not run to the end, and still to be given back."""
        self._slot_freed = asyncio.Event()
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
        while not await self._burst_is_over():
            self._slot_freed.clear()
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
        try:
            async with asyncio.timeout(self.poll_delay_s):
                await self._slot_freed.wait()
        except TimeoutError:
            return

    async def _burst_is_over(self) -> bool:
        if not self.burst or self.tasks or self._adrift:
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
            if self.allow_pick_jobs:
                await self._take()
            await self.heart_beat()
        except (RedisError, OSError) as error:
            _log.warning("queue_unreachable", error=str(error))
            await asyncio.sleep(_REDIS_PAUSE_SECONDS)
        except Exception:
            _log.exception("queue_look_failed")
            await asyncio.sleep(_REDIS_PAUSE_SECONDS)

    async def _take(self) -> None:
        """Claim as many jobs as there is room for, and start them."""
        wanted, served = self.max_jobs - len(self.tasks), self._served
        if self.max_burst_jobs >= 0:
            wanted = min(wanted, self.max_burst_jobs - self._jobs_started())
        limit = self.may_take()
        if limit == 0:
            served &= self._ticks
        elif limit is not None:
            wanted = min(wanted, limit)
        if wanted < 1 or not served:
            return
        for job in await self._claims.claim(wanted, served=served):
            if not self.allow_pick_jobs:  # told to stop while Redis was answering
                self._adrift[job.job_id] = job
            elif job.job_id not in self.tasks:
                self._start(job)
        await self._give_back_adrift()

    def _start(self, job: ClaimedJob) -> None:
        self._in_hand[job.job_id] = job
        task = self.loop.create_task(self.run_job(job.job_id, job.place))
        self.tasks[job.job_id] = task
        task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: ClaimedJob, task: asyncio.Task[Any]) -> None:
        """Free the slot; what arq's plumbing raises costs this job its attempt, and no more.

        If it was Redis, or a cancellation, the job is given back. Anything else would come again
        at once; that job comes back when its claim has expired.
        """
        del self.tasks[job.job_id]
        del self._in_hand[job.job_id]
        self._slot_freed.set()
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

    async def finish_job(
        self,
        job_id: str,
        finish: bool,
        result_data: bytes | None,
        result_timeout_s: float | None,
        keep_result_forever: bool,
        incr_score: int | None,
        keep_in_progress: float | None,
    ) -> None:
        """Remove a job, or put it back: at its old place, or after the pause it asked for.

        arq counts the pause from the place a job has in the queue and from this machine's clock.
        """
        if self._pool is None:  # closed without it; it comes back when its claim expires
            return
        if finish:
            await super().finish_job(
                job_id,
                finish,
                result_data,
                result_timeout_s,
                keep_result_forever,
                incr_score,
                keep_in_progress,
            )
            return
        job = self._in_hand[job_id]
        after = None
        if incr_score:
            after = timedelta(milliseconds=max(0, incr_score + job.place - timestamp_ms()))
        await self._claims.give_back(job, after=after)

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
        await self.pool.delete(self.health_check_key)


async def _in_time(step: Awaitable[Any], *, doing: str, limit: float = _SHUTDOWN_SECONDS) -> None:
    """One step of closing; the next ones are taken even if it fails, or does not end."""
    try:
        async with asyncio.timeout(limit):
            await step
    except Exception as error:
        _log.warning("close_step_failed", step=doing, error=repr(error))
