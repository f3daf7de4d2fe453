"""arq: how does it work, and how is it fed?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from arq import func
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import run_worker

from benchmarks.queues.peers.station import Options, do, main

__all__ = ["job"]


async def job(ctx: dict[str, Any], sent: int, seconds: float) -> None:
    """The job as arq calls it."""
    await do(sent, seconds)


class _Feeder:
    def __init__(self, redis: ArqRedis) -> None:
        self._redis = redis

    async def put(self, sent: int, seconds: float) -> None:
        await self._redis.enqueue_job("job", sent, seconds)

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        raise NotImplementedError("arq enqueues one by one")


class _Arq:
    def work(self, options: Options) -> None:
        settings = {
            "functions": [func(job, name="job")],
            "redis_settings": RedisSettings.from_dsn(options.redis),
            "max_jobs": options.concurrency,
            **options.variant,
        }
        run_worker(type("WorkerSettings", (), settings))

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        redis = await create_pool(RedisSettings.from_dsn(options.redis))
        try:
            yield _Feeder(redis)
        finally:
            await redis.aclose(close_connection_pool=True)


if __name__ == "__main__":
    main(_Arq())
