from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from arq import Retry
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.core import arq_lab
from ticketgen import claiming
from ticketgen.queue import RunQueue
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
async def runs(redis_url: str) -> AsyncIterator[RunQueue]:
    opened = RunQueue(Settings(redis_url=redis_url))
    yield opened
    await opened.close()


@pytest.mark.parametrize("off_by", [-3600, 3600])
async def test_a_job_that_asks_for_a_pause_gets_it_whatever_the_worker_s_clock_says(
    redis_url: str, runs: RunQueue, monkeypatch: pytest.MonkeyPatch, off_by: int
) -> None:
    skewed = SimpleNamespace(time=lambda: time.time() + off_by, monotonic=time.monotonic)
    monkeypatch.setattr(claiming, "time", skewed)
    await runs.push(arq_lab.delivery_of())
    times: list[float] = []

    async def job(ctx: dict[str, Any], run_id: str) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Retry(defer=timedelta(milliseconds=500))

    async with arq_lab.working(arq_lab.built(redis_url, job)) as worker:
        await arq_lab.until(lambda: worker.jobs_complete)

    # By the worker's own clock it would come at once, or hours after anybody waits here.
    assert times[1] - times[0] > 0.4


@pytest.mark.parametrize("off_by", [-3600, 3600])
async def test_a_tick_comes_by_the_server_s_clock_and_once_over_two_workers(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, off_by: int
) -> None:
    off = SimpleNamespace(time=lambda: time.time() + off_by, monotonic=time.monotonic)
    monkeypatch.setattr(claiming, "time", off)

    class SkewedDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=off_by)

    monkeypatch.setattr("arq.worker.datetime", SkewedDatetime)
    first, second = arq_lab.Ticks(), arq_lab.Ticks()

    async def job(ctx: dict[str, Any], run_id: str) -> None:
        return

    async with (
        arq_lab.working(
            arq_lab.built(redis_url, job, served=lambda: {"tick"}, cron_jobs=[first.cron_job])
        ),
        arq_lab.working(
            arq_lab.built(redis_url, job, served=lambda: {"tick"}, cron_jobs=[second.cron_job])
        ),
    ):
        await arq_lab.until(lambda: len(first.job_ids + second.job_ids) >= 3)

    times = sorted(first.times + second.times)
    assert len(set(times)) == len(times)
    assert abs(datetime.now(UTC) - times[-1]) < timedelta(minutes=5)


async def test_a_tick_that_redis_did_not_take_comes_when_it_does(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = arq_lab.Ticks()
    worker = arq_lab.built(
        redis_url, arq_lab.Record().job, served=lambda: {"tick"}, cron_jobs=[ticks.cron_job]
    )
    real = worker._jobs.write
    refused: list[str] = []

    async def write(jobs: dict[str, Any]) -> None:
        if not refused:
            refused.extend(jobs)
            raise RedisConnectionError("away")
        await real(jobs)

    monkeypatch.setattr(worker._jobs, "write", write)

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: ticks.job_ids)

    assert ticks.job_ids[0] == refused[0]
