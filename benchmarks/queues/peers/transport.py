"""Our transport alone, a worker on arq's queue without any row: how does it work, and is fed?"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from arq import func
from arq.connections import ArqRedis

from benchmarks.queues.peers.station import Options, do, main
from ticketgen.arq_worker import Worker
from ticketgen.queue import (
    JobWriter,
    connect_arq,
    deserialize_job,
    job_id_of,
    serialize_job,
)
from ticketgen.settings import Settings, load_settings

_TASK = "noop"
_NEVER = 1_000_000
"""As our worker builds its functions: tries are not counted by arq."""


async def _job(ctx: dict[str, Any], run_id: str) -> None:
    """The job as our worker calls it: with the id of a run, in which we hide what it is to do."""
    what = UUID(run_id).int
    await do(what >> 64, (what >> 48 & 0xFFFF) / 1000)


def _job_of(sent: int, seconds: float) -> tuple[str, tuple[str, ...]]:
    """The id of a new job, and its arguments."""
    milliseconds = round(seconds * 1000)
    run_id = UUID(int=sent << 64 | milliseconds << 48 | secrets.randbits(48))
    return job_id_of(task_type=_TASK, run_id=run_id, delivery=1), (str(run_id),)


class _Feeder:
    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis
        self._writer = JobWriter(redis)

    async def put(self, sent: int, seconds: float) -> None:
        await self.put_many([(sent, seconds)])

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        made = (_job_of(*job) for job in jobs)
        await self._writer.write({job_id: (_TASK, arguments) for job_id, arguments in made})

    async def put_plainly(self, sent: int, seconds: float) -> None:
        """As somebody does who knows arq only."""
        job_id, arguments = _job_of(sent, seconds)
        await self._redis.enqueue_job(_TASK, *arguments, _job_id=job_id)


def _settings(options: Options) -> Settings:
    return load_settings(redis_url=options.redis)


class _Transport:
    def work(self, options: Options) -> None:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        asyncio.set_event_loop(asyncio.new_event_loop())
        settings = _settings(options)
        Worker(
            [func(_job, name=_TASK, max_tries=_NEVER, keep_result=0, timeout=600)],
            redis_pool=connect_arq(settings),
            served=lambda: {_TASK},
            job_names={_TASK: _TASK},
            max_jobs=options.concurrency,
            job_timeout=settings.job_timeout.total_seconds(),
            max_tries=_NEVER,
            keep_result=0,
            poll_delay=0.1,
            job_serializer=serialize_job,
            job_deserializer=deserialize_job,
            log_results=False,
        ).run()

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        redis = connect_arq(_settings(options))
        try:
            yield _Feeder(redis)
        finally:
            await redis.aclose(close_connection_pool=True)


if __name__ == "__main__":
    main(_Transport())
