"""A worker on a queue of its own, without a host, and jobs that a test can watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from arq import cron, func
from arq.typing import WorkerCoroutine
from uuid_utils.compat import uuid7

from ticketgen.arq_worker import Worker
from ticketgen.queue import Delivery, connect_arq, deserialize_job, serialize_job
from ticketgen.settings import Settings

NEVER = 1_000_000


def delivery_of(task_type: str = "lab", *, first: bool = False) -> Delivery:
    return Delivery(
        run_id=uuid7(),
        task_type=task_type,
        delivery=1,
        job_name=f"{task_type}_job",
        first=first,
    )


def built(redis_url: str, job: WorkerCoroutine, **options: Any) -> Worker:
    defaults: dict[str, Any] = {
        "served": lambda: {"lab", "tick"},
        "job_names": {"lab": "lab_job"},
        "handle_signals": False,
        "poll_delay": 0.02,
        "keep_result": 0,
        "timezone": UTC,
        "job_serializer": serialize_job,
        "job_deserializer": deserialize_job,
    }
    return Worker(
        [func(job, name="lab_job", keep_result=0, max_tries=NEVER)],
        redis_pool=connect_arq(Settings(redis_url=redis_url)),
        **(defaults | options),
    )


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """The worker at work; afterwards its loop has ended and it is closed."""
    main = asyncio.create_task(worker.main())
    try:
        yield worker
        assert not main.done(), main.exception()
    finally:
        main.cancel()
        with suppress(asyncio.CancelledError):
            await main
        await worker.close()


async def until(reached: Callable[[], object], *, within: float = 60) -> None:
    deadline = asyncio.get_running_loop().time() + within
    while not reached():
        assert asyncio.get_running_loop().time() < deadline, "too late"
        await asyncio.sleep(0.01)


class Record:
    """A job function that writes down what it was called for."""

    def __init__(self, *errors: BaseException) -> None:
        self.run_ids: list[str] = []
        self._errors = list(errors)

    async def __call__(self, ctx: dict[str, Any], run_id: str) -> None:
        self.run_ids.append(run_id)
        if self._errors:
            raise self._errors.pop(0)

    @property
    def job(self) -> WorkerCoroutine:
        async def job(ctx: dict[str, Any], run_id: str) -> None:
            await self(ctx, run_id)

        return job


class Gate:
    """A job function that waits to be let through."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open = asyncio.Event()

    @property
    def job(self) -> WorkerCoroutine:
        async def job(ctx: dict[str, Any], run_id: str) -> None:
            self.begun.append(run_id)
            await self.open.wait()

        return job


class Ticks:
    """A cron job of every second, and the ids of its jobs."""

    def __init__(self) -> None:
        self.job_ids: list[str] = []

        async def tick(ctx: dict[str, Any]) -> None:
            self.job_ids.append(ctx["job_id"])

        self.cron_job = cron(tick, name="tick", second=set(range(60)), max_tries=NEVER)

    @property
    def times(self) -> list[datetime]:
        return [
            datetime.fromtimestamp(int(job_id.split(":")[1]) / 1000, UTC) for job_id in self.job_ids
        ]
