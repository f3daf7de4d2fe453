"""Taskiq on a Redis list: how does it work, and how is it fed?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from taskiq.api import run_receiver_task
from taskiq_redis import ListQueueBroker

from benchmarks.queues.peers.station import Options, do, main

_PATIENCE = 120


class _Feeder:
    def __init__(self, task: Any) -> None:
        self._task = task

    async def put(self, sent: int, seconds: float) -> None:
        await self._task.kiq(sent, seconds)

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        raise NotImplementedError("Taskiq enqueues one by one")


def _broker(options: Options) -> tuple[Any, Any]:
    # By default its client gives up a command after 5 s. A worker that was held for longer than
    # that would throw away the job that had reached it meanwhile, for which nobody else cares.
    broker = ListQueueBroker(options.redis, socket_timeout=_PATIENCE)
    return broker, broker.register_task(do, task_name="job")


class _Taskiq:
    def work(self, options: Options) -> None:
        asyncio.run(self._work(options))

    async def _work(self, options: Options) -> None:
        broker, _ = _broker(options)
        broker.is_worker_process = True
        await run_receiver_task(broker, max_async_tasks=options.concurrency, run_startup=True)

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        broker, task = _broker(options)
        await broker.startup()
        try:
            yield _Feeder(task)
        finally:
            await broker.shutdown()


if __name__ == "__main__":
    main(_Taskiq())
