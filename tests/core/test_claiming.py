from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace

import pytest
from arq.connections import ArqRedis
from uuid_utils.compat import uuid7

from ticketgen import claiming, queue
from ticketgen.claiming import JobClaims
from ticketgen.queue import Delivery, RunQueue, connect_arq
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

_QUEUE = "arq:queue"
_LAB = frozenset({"lab"})


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


def _claims(redis: ArqRedis, *, timeout: timedelta = timedelta(minutes=1)) -> JobClaims:
    return JobClaims(redis, queue_name=_QUEUE, timeout=timeout)


def _deliveries(number: int = 1, task_type: str = "lab") -> list[Delivery]:
    return [
        Delivery(run_id=uuid7(), task_type=task_type, delivery=1, job_name=f"{task_type}_job")
        for _ in range(number)
    ]


async def _taken(claims: JobClaims, wanted: int = 1) -> list[str]:
    return [job.job_id for job in await claims.claim(wanted, served=_LAB)]


@pytest.mark.parametrize("pusher", [-3600, 0, 3600])
@pytest.mark.parametrize("worker", [-3600, 0, 3600])
async def test_clock_skew_between_machines_hides_no_job(
    redis: ArqRedis, runs: RunQueue, monkeypatch: pytest.MonkeyPatch, pusher: int, worker: int
) -> None:
    def clock_off_by(seconds: int) -> SimpleNamespace:
        return SimpleNamespace(
            time=lambda: time.time() + seconds,
            time_ns=lambda: time.time_ns() + seconds * 10**9,
            monotonic=time.monotonic,
        )

    monkeypatch.setattr(queue, "time", clock_off_by(pusher))
    monkeypatch.setattr(claiming, "time", clock_off_by(worker))
    [delivery] = _deliveries()
    claims = _claims(redis)

    await runs.push(delivery)

    assert await _taken(claims) == [delivery.job_id]
    assert claims.clock_lead.total_seconds() == pytest.approx(-worker, abs=5)


async def test_jobs_are_taken_in_the_order_in_which_they_were_pushed(
    redis: ArqRedis, runs: RunQueue
) -> None:
    deliveries = _deliveries(4)
    for delivery in reversed(deliveries):
        await runs.push(delivery)
        await asyncio.sleep(0.002)

    first = await _taken(_claims(redis), 3)
    second = await _taken(_claims(redis), 3)

    ids = [delivery.job_id for delivery in reversed(deliveries)]
    assert (first, second) == (ids[:3], ids[3:])


async def test_150_runs_in_progress_elsewhere_do_not_stop_a_worker(
    redis: ArqRedis, runs: RunQueue
) -> None:
    await runs.push(*_deliveries(150))
    elsewhere = await _taken(_claims(redis), 150)
    [delivery] = _deliveries()
    await runs.push(delivery)

    taken = await _taken(_claims(redis))

    assert len(elsewhere) == 150
    assert taken == [delivery.job_id]


async def test_150_runs_in_progress_in_plain_arq_workers_do_not_stop_a_worker(
    redis: ArqRedis, runs: RunQueue
) -> None:
    in_progress = _deliveries(150)
    await runs.push(*in_progress)
    for delivery in in_progress:  # a plain worker leaves them at the head of the queue
        await redis.set(f"arq:in-progress:{delivery.job_id}", "1")
    [free] = _deliveries()
    await runs.push(free)

    taken = await _taken(_claims(redis), 5)

    assert taken == [free.job_id]


async def test_10000_jobs_of_types_it_does_not_serve_do_not_stop_a_worker(
    redis: ArqRedis, runs: RunQueue
) -> None:
    claims = _claims(redis)
    await runs.push(*_deliveries(10_000, task_type="stranger"))
    first, second = _deliveries(2)

    await runs.push(first)
    taken = await _taken(claims)
    await runs.push(second)
    taken += await _taken(claims)

    assert taken == [first.job_id, second.job_id]
    assert await redis.zcard(_QUEUE) == 10_002


async def test_workers_that_claim_at_the_same_time_never_get_the_same_job(
    redis: ArqRedis, runs: RunQueue
) -> None:
    deliveries = _deliveries(300)
    await runs.push(*deliveries)
    workers = [_claims(redis) for _ in range(25)]

    batches = await asyncio.gather(*(_taken(claims, 7) for claims in workers * 2))

    taken = [job_id for batch in batches for job_id in batch]
    assert len(taken) == 300
    assert sorted(taken) == sorted(delivery.job_id for delivery in deliveries)


async def test_the_job_of_a_dead_worker_comes_back_when_its_claim_expires(
    redis: ArqRedis, runs: RunQueue
) -> None:
    alive, dead = _deliveries(2)
    await runs.push(alive)
    await _taken(_claims(redis, timeout=timedelta(hours=1)))
    await runs.push(dead)
    await _taken(_claims(redis, timeout=timedelta(milliseconds=20)))

    await asyncio.sleep(0.1)

    assert await _taken(_claims(redis), 2) == [dead.job_id]


async def test_a_job_that_is_given_back_has_its_old_place(redis: ArqRedis, runs: RunQueue) -> None:
    claims = _claims(redis)
    first, second = _deliveries(2)
    await runs.push(first)
    await asyncio.sleep(0.002)
    await runs.push(second)
    [job] = await claims.claim(1, served=_LAB)

    await claims.give_back(job)

    assert await _taken(claims, 2) == [first.job_id, second.job_id]


async def test_a_job_that_is_given_back_for_later_is_taken_later(
    redis: ArqRedis, runs: RunQueue
) -> None:
    claims = _claims(redis)
    await runs.push(*_deliveries(2))
    soon, much_later = await claims.claim(2, served=_LAB)

    await claims.give_back(much_later, after=timedelta(hours=1))
    await claims.give_back(soon, after=timedelta(milliseconds=20))

    await asyncio.sleep(0.1)
    assert await _taken(claims, 2) == [soon.job_id]


async def test_giving_back_does_not_bring_back_what_was_removed(
    redis: ArqRedis, runs: RunQueue
) -> None:
    claims = _claims(redis)
    await runs.push(*_deliveries())
    [job] = await claims.claim(1, served=_LAB)
    await runs.withdraw(job.job_id)

    await claims.give_back(job)

    assert await redis.keys("arq:*") == []


async def test_what_another_worker_puts_back_at_the_head_is_found(
    redis: ArqRedis, runs: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "_HEAD_SECONDS", 0.2)
    mine, other = _claims(redis), _claims(redis)
    await runs.push(*_deliveries())
    [job] = await other.claim(1, served=_LAB)
    await asyncio.sleep(0.002)
    await runs.push(*_deliveries(1, task_type="stranger"))
    await _taken(mine)
    await other.give_back(job)

    await asyncio.sleep(0.25)

    assert await _taken(mine) == [job.job_id]


async def test_left_is_what_is_served_and_in_nobodys_hands(redis: ArqRedis, runs: RunQueue) -> None:
    claims = _claims(redis)
    await runs.push(*_deliveries(3, task_type="stranger"), *_deliveries())
    left = [await claims.any_left(_LAB)]
    [job] = await claims.claim(1, served=_LAB)
    left.append(await claims.any_left(_LAB))
    await claims.give_back(job, after=timedelta(hours=1))
    left.append(await claims.any_left(_LAB))

    assert left == [True, False, True]
