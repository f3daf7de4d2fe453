"""Our durable runs, with everything that belongs to one: how are they worked on, and started?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from benchmarks.queues.peers.station import Options, main
from benchmarks.queues.plugin import TASK, QueuesRequest
from ticketgen.logs import configure_logs
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import load_settings
from ticketgen.worker import build_worker


class _Feeder:
    def __init__(self, runtime: Runtime, *, progress: bool) -> None:
        self._runtime = runtime
        self._progress = progress

    async def put(self, sent: int, seconds: float) -> None:
        async with self._runtime.unit_of_work() as work:
            await work.start(TASK, request=self._request(sent, seconds))

    async def put_many(self, jobs: Sequence[tuple[int, float]]) -> None:
        requests = [self._request(*job) for job in jobs]
        async with self._runtime.unit_of_work() as work:
            await work.start_many(TASK, requests)

    def _request(self, sent: int, seconds: float) -> QueuesRequest:
        return QueuesRequest(sent=sent, seconds=seconds, progress=self._progress)


class _Durable:
    """The settings come from the environment, as those of every worker do."""

    def work(self, options: Options) -> None:
        settings = load_settings(max_jobs=options.concurrency)
        configure_logs(settings)
        asyncio.set_event_loop(asyncio.new_event_loop())
        build_worker(settings).run()

    @asynccontextmanager
    async def feeding(self, options: Options) -> AsyncIterator[_Feeder]:
        async with open_runtime(application_name="queues-feeder") as runtime:
            yield _Feeder(runtime, progress=bool(options.variant.get("progress")))


if __name__ == "__main__":
    main(_Durable())
