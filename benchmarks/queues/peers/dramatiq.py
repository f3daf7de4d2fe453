"""Dramatiq on Redis: how does it work, and how is it fed?"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from dramatiq import Worker, actor
from dramatiq.brokers.redis import RedisBroker

from benchmarks.queues.peers.station import Options, do_in_thread, main


class _Feeder:
    def __init__(self, task: Any) -> None:
        self._task = task

    async def put(self, sent: int, seconds: float) -> None:
        # It has no asynchronous client; nothing else runs in this process.
        self._task.send(sent, seconds)

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        raise NotImplementedError("Dramatiq enqueues one by one")


def _broker(options: Options) -> tuple[Any, Any]:
    broker: Any = RedisBroker(url=options.redis)
    return broker, actor(do_in_thread, broker=broker, actor_name="job")


class _Dramatiq:
    def work(self, options: Options) -> None:
        broker, _ = _broker(options)
        Worker(broker, worker_threads=options.concurrency).start()
        threading.Event().wait()

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        broker, task = _broker(options)
        try:
            yield _Feeder(task)
        finally:
            broker.close()


if __name__ == "__main__":
    main(_Dramatiq())
