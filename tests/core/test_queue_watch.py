from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from arq.connections import ArqRedis, create_pool
from redis.exceptions import ResponseError
from uuid_utils.compat import uuid7

from tests.core import arq_lab
from ticketgen import arq_worker, queue_watch
from ticketgen.claiming import JobClaims
from ticketgen.queue import RunQueue, connect_arq, redis_settings
from ticketgen.queue_watch import QueueWatch
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

_QUEUE = "arq:queue"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect_arq(Settings(redis_url=redis_url))
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
async def runs(redis_url: str) -> AsyncIterator[RunQueue]:
    opened = RunQueue(Settings(redis_url=redis_url))
    yield opened
    await opened.close()


@pytest.fixture
async def watch(redis: ArqRedis) -> AsyncIterator[QueueWatch]:
    async with QueueWatch(redis.connection_pool, _QUEUE).running() as running:
        await arq_lab.until(lambda: running.is_hearing)
        running.changed.clear()
        yield running


@pytest.fixture
def only_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that would wait for minutes if nothing woke them."""
    monkeypatch.setattr(arq_worker, "_SAFETY_SECONDS", 300.0)


async def _until_run(record: arq_lab.Record, count: int) -> None:
    await arq_lab.until(lambda: len(record.run_ids) == count)


async def _cut_subscriptions(redis: ArqRedis) -> None:
    await redis.client_kill_filter(_type="pubsub")


async def test_a_push_is_heard(watch: QueueWatch, runs: RunQueue) -> None:
    await runs.push(arq_lab.delivery_of())

    await arq_lab.until(watch.changed.is_set)


async def test_what_happens_elsewhere_is_not_heard(watch: QueueWatch, redis: ArqRedis) -> None:
    await redis.set("progress:x", "1")
    await redis.publish("arq:queue", "1")
    await asyncio.sleep(0.2)

    assert not watch.changed.is_set()


async def test_a_queue_that_is_wiped_out_is_heard(watch: QueueWatch, redis: ArqRedis) -> None:
    await redis.flushall()

    await arq_lab.until(watch.changed.is_set)


async def test_a_lost_connection_is_made_again_and_whoever_waits_looks_meanwhile(
    watch: QueueWatch, redis: ArqRedis, runs: RunQueue
) -> None:
    await _cut_subscriptions(redis)
    await arq_lab.until(watch.changed.is_set)
    await arq_lab.until(lambda: watch.is_hearing)
    watch.changed.clear()

    await runs.push(arq_lab.delivery_of())

    await arq_lab.until(watch.changed.is_set)


async def test_a_server_that_answers_nothing_is_not_taken_for_a_quiet_one(
    redis: ArqRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_watch, "_PING_SECONDS", 0.1)
    monkeypatch.setattr(queue_watch, "_ANSWER_SECONDS", 0.2)
    async with QueueWatch(redis.connection_pool, _QUEUE).running() as watch:
        await arq_lab.until(lambda: watch.is_hearing)
        await redis.client_pause(1_000)

        await arq_lab.until(lambda: not watch.is_hearing)
        await arq_lab.until(lambda: watch.is_hearing)


async def test_a_server_that_refuses_to_tell_is_looked_at_now_and_then(
    redis_url: str, runs: RunQueue, only_woken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> int:
        raise ResponseError("unknown subcommand 'TRACKING'")

    monkeypatch.setattr(queue_watch, "_answer", refuse)
    record = arq_lab.Record()

    async with arq_lab.working(arq_lab.built(redis_url, record.job)):
        await asyncio.sleep(0.2)
        delivery = arq_lab.delivery_of()
        await runs.push(delivery)
        await arq_lab.until(lambda: record.run_ids)

    assert record.run_ids == [str(delivery.run_id)]


async def test_an_idle_worker_is_woken_by_a_push(
    redis_url: str, runs: RunQueue, only_woken: None
) -> None:
    record = arq_lab.Record()

    async with arq_lab.working(arq_lab.built(redis_url, record.job)) as worker:
        await arq_lab.until(lambda: worker._watch.is_hearing)
        for count in range(1, 20):
            await runs.push(arq_lab.delivery_of())
            await _until_run(record, count)


async def test_an_idle_worker_is_woken_by_what_arq_s_own_client_enqueues(
    redis_url: str, only_woken: None
) -> None:
    record, run_id = arq_lab.Record(), str(uuid7())
    stranger = await create_pool(redis_settings(Settings(redis_url=redis_url)))

    async with arq_lab.working(arq_lab.built(redis_url, record.job)) as worker:
        await arq_lab.until(lambda: worker._watch.is_hearing)
        await stranger.enqueue_job("lab_job", run_id, _job_id=f"lab:{run_id}:1")
        await arq_lab.until(lambda: record.run_ids)
    await stranger.aclose(close_connection_pool=True)

    assert record.run_ids == [run_id]


async def test_a_push_in_the_moment_in_which_the_worker_is_deaf_is_found(
    redis_url: str, redis: ArqRedis, runs: RunQueue, only_woken: None
) -> None:
    record = arq_lab.Record()

    async with arq_lab.working(arq_lab.built(redis_url, record.job)) as worker:
        for count in range(1, 10):
            await arq_lab.until(lambda: worker._watch.is_hearing)
            await _cut_subscriptions(redis)
            await runs.push(arq_lab.delivery_of())
            await _until_run(record, count)


async def test_a_job_given_back_for_later_is_taken_when_it_comes_due(
    redis_url: str, redis: ArqRedis, runs: RunQueue, only_woken: None
) -> None:
    record, delivery = arq_lab.Record(), arq_lab.delivery_of()
    await runs.push(delivery)
    claims = JobClaims(redis, queue_name=_QUEUE, timeout=timedelta(minutes=1))
    [job] = await claims.claim(1, served=frozenset({"lab"}))
    await claims.give_back(job, after=timedelta(seconds=0.5))

    async with arq_lab.working(arq_lab.built(redis_url, record.job)):
        await arq_lab.until(lambda: record.run_ids)

    assert record.run_ids == [str(delivery.run_id)]


async def test_with_many_jobs_of_others_in_front_one_that_goes_first_is_found(
    redis_url: str, runs: RunQueue, only_woken: None
) -> None:
    await runs.push(*(arq_lab.delivery_of("stranger") for _ in range(500)))
    record, delivery = arq_lab.Record(), arq_lab.delivery_of(first=True)

    async with arq_lab.working(arq_lab.built(redis_url, record.job)) as worker:
        await arq_lab.until(lambda: worker._claims.next_due <= 2)
        await runs.push(delivery)
        await arq_lab.until(lambda: record.run_ids)

    assert record.run_ids == [str(delivery.run_id)]
