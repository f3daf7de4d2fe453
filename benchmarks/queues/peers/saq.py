"""SAQ: how does it work, and how is it fed?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis
from saq import Worker
from saq.queue.redis import RedisQueue

from benchmarks.queues.peers.station import Options, do, main

__all__ = ["job"]

_USUAL_TIMEOUT = 10
"""Seconds; SAQ's default."""


async def job(ctx: Any, *, sent: int, seconds: float) -> None:
    """The job as SAQ calls it."""
    await do(sent, seconds)


class _Feeder:
    def __init__(self, queue: Any) -> None:
        self._queue = queue

    async def put(self, sent: int, seconds: float) -> None:
        await self._queue.enqueue(
            "job", sent=sent, seconds=seconds, timeout=max(_USUAL_TIMEOUT, 2 * seconds)
        )

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        raise NotImplementedError("SAQ enqueues one by one")


def _queue(options: Options) -> Any:
    # Its own reader of addresses knows no Unix sockets.
    return RedisQueue(Redis.from_url(options.redis))


class _Saq:
    def work(self, options: Options) -> None:
        asyncio.run(self._work(options))

    async def _work(self, options: Options) -> None:
        queue = _queue(options)
        await Worker(
            queue, functions=[("job", job)], concurrency=options.concurrency, **options.variant
        ).start()
        await queue.disconnect()

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        queue = _queue(options)
        await queue.connect()
        try:
            yield _Feeder(queue)
        finally:
            await queue.disconnect()


if __name__ == "__main__":
    main(_Saq())
