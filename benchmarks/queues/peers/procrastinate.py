"""Procrastinate: how does it work, and how is it fed?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from procrastinate import App, PsycopgConnector

from benchmarks.queues.peers.station import Options, do, main


class _Feeder:
    def __init__(self, task: Any) -> None:
        self._task = task

    async def put(self, sent: int, seconds: float) -> None:
        await self._task.defer_async(sent=sent, seconds=seconds)

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        await self._task.batch_defer_async(
            *({"sent": sent, "seconds": seconds} for sent, seconds in jobs)
        )


def _app(options: Options) -> tuple[Any, Any]:
    app: Any = App(connector=PsycopgConnector(conninfo=options.postgres))
    return app, app.task(name="job")(do)


class _Procrastinate:
    def work(self, options: Options) -> None:
        asyncio.run(self._work(options))

    async def _work(self, options: Options) -> None:
        app, _ = _app(options)
        async with app.open_async():
            await app.run_worker_async(concurrency=options.concurrency, **options.variant)

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        app, task = _app(options)
        async with app.open_async():
            if not await app.check_connection_async():
                await app.schema_manager.apply_schema_async()
            yield _Feeder(task)


if __name__ == "__main__":
    main(_Procrastinate())
