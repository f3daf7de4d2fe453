"""streaQ: how does it work, and how is it fed?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from streaq import Worker

from benchmarks.queues.peers.station import Options, do, main


class _Feeder:
    def __init__(self, worker: Any, task: Any) -> None:
        self._worker = worker
        self._task = task

    async def put(self, sent: int, seconds: float) -> None:
        await self._task.enqueue(sent, seconds)

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        await self._worker.enqueue_many([self._task.enqueue(*job) for job in jobs])


def _worker(options: Options) -> tuple[Any, Any]:
    worker: Any = Worker(
        redis_url=options.redis, concurrency=options.concurrency, **options.variant
    )
    return worker, worker.task(name="job")(do)


class _Streaq:
    def work(self, options: Options) -> None:
        worker, _ = _worker(options)
        worker.run_sync()

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        worker, task = _worker(options)
        async with worker:
            yield _Feeder(worker, task)


if __name__ == "__main__":
    main(_Streaq())
