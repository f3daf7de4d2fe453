from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from arq import Retry, func
from arq.connections import ArqRedis
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.core import arq_lab
from ticketgen.arq_worker import Worker
from ticketgen.claiming import ClaimedJob
from ticketgen.embedded import EmbeddedServers
from ticketgen.queue import RunQueue, connect_arq, deserialize_job
from ticketgen.settings import Settings

_QUEUE = "arq:queue"


pytestmark = pytest.mark.services


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


async def test_a_job_that_ends_leaves_nothing_in_redis(
    redis_url: str, redis: ArqRedis, runs: RunQueue
) -> None:
    record, delivery = arq_lab.Record(), arq_lab.delivery_of()
    await runs.push(delivery)

    async with arq_lab.working(arq_lab.built(redis_url, record.job)) as worker:
        await arq_lab.until(lambda: worker.jobs_complete)
        await arq_lab.until(lambda: not worker.tasks)

    assert record.run_ids == [str(delivery.run_id)]
    assert await redis.keys("arq:*") == []


async def test_two_workers_on_one_queue_run_every_job_once(
    redis_url: str, runs: RunQueue, redis: ArqRedis
) -> None:
    record = arq_lab.Record()
    deliveries = [arq_lab.delivery_of() for _ in range(200)]
    await runs.push(*deliveries)

    async with (
        arq_lab.working(arq_lab.built(redis_url, record.job, max_jobs=7)) as first,
        arq_lab.working(arq_lab.built(redis_url, record.job, max_jobs=3)) as second,
    ):
        await arq_lab.until(lambda: first.jobs_complete + second.jobs_complete == 200)

    assert sorted(record.run_ids) == sorted(str(delivery.run_id) for delivery in deliveries)
    assert min(first.jobs_complete, second.jobs_complete) > 0
    assert await redis.zcard(_QUEUE) == 0


async def test_two_workers_that_serve_different_types_leave_each_other_s_jobs(
    redis_url: str, runs: RunQueue
) -> None:
    lab, other = arq_lab.Record(), arq_lab.Record()
    others = Worker(
        [func(other.job, name="other_job", keep_result=0)],
        redis_pool=connect_arq(Settings(redis_url=redis_url)),
        served=lambda: {"other"},
        job_names={"other": "other_job"},
        handle_signals=False,
        job_deserializer=deserialize_job,
    )
    deliveries = [arq_lab.delivery_of(kind) for _ in range(20) for kind in ("lab", "other")]
    await runs.push(*deliveries)

    async with (
        arq_lab.working(arq_lab.built(redis_url, lab.job)) as first,
        arq_lab.working(others) as second,
    ):
        await arq_lab.until(lambda: first.jobs_complete + second.jobs_complete == 40)

    assert (len(lab.run_ids), len(other.run_ids)) == (20, 20)
    assert first.jobs_failed + second.jobs_failed == 0


async def test_a_duplicate_delivery_of_a_run_at_work_is_no_second_job(
    redis_url: str, runs: RunQueue, redis: ArqRedis
) -> None:
    gate, delivery = arq_lab.Gate(), arq_lab.delivery_of()
    await runs.push(delivery)

    async with arq_lab.working(arq_lab.built(redis_url, gate.job)) as worker:
        await arq_lab.until(lambda: gate.begun)
        await runs.push(delivery)
        await asyncio.sleep(0.2)
        gate.open.set()
        await arq_lab.until(lambda: worker.jobs_complete)

    assert gate.begun == [str(delivery.run_id)]
    assert await redis.zcard(_QUEUE) == 0


async def test_a_worker_never_has_more_jobs_than_slots(redis_url: str, runs: RunQueue) -> None:
    gate = arq_lab.Gate()
    await runs.push(*(arq_lab.delivery_of() for _ in range(5)))

    async with arq_lab.working(arq_lab.built(redis_url, gate.job, max_jobs=2)) as worker:
        await arq_lab.until(lambda: len(gate.begun) == 2)
        await asyncio.sleep(0.2)
        at_once = len(gate.begun)
        gate.open.set()
        await arq_lab.until(lambda: worker.jobs_complete == 5)

    assert at_once == 2


@pytest.mark.parametrize(
    "payload",
    [None, b"\x80\x04pickle", b"{}", b'{"f":["x"],"a":[],"k":{},"t":null,"et":0}'],
    ids=["gone", "pickle", "empty", "odd"],
)
async def test_a_job_is_run_by_its_id_whatever_its_body_is(
    redis_url: str, redis: ArqRedis, runs: RunQueue, payload: bytes | None
) -> None:
    record, broken, sound = arq_lab.Record(), arq_lab.delivery_of(), arq_lab.delivery_of()
    await runs.push(broken)
    key = f"arq:job:{broken.job_id}"
    await (redis.delete(key) if payload is None else redis.set(key, payload))

    async with arq_lab.working(arq_lab.built(redis_url, record.job, max_jobs=1)) as worker:
        await arq_lab.until(lambda: worker.jobs_complete)
        await runs.push(sound)
        await arq_lab.until(lambda: worker.jobs_complete == 2)

    assert record.run_ids == [str(broken.run_id), str(sound.run_id)]
    assert await runs.absent([broken]) == [broken]


async def test_redis_away_at_the_end_of_a_job_costs_no_slot_and_ends_no_worker(
    redis_url: str, servers: EmbeddedServers, runs: RunQueue
) -> None:
    gate = arq_lab.Gate()
    await runs.push(arq_lab.delivery_of())

    async with arq_lab.working(arq_lab.built(redis_url, gate.job, max_jobs=1)) as worker:
        await arq_lab.until(lambda: gate.begun)
        await asyncio.to_thread(servers.kill_redis)
        try:
            gate.open.set()
            await arq_lab.until(lambda: not worker.tasks)
        finally:
            await asyncio.to_thread(servers.start_redis)
        again = arq_lab.delivery_of()
        await runs.push(again)
        await arq_lab.until(lambda: str(again.run_id) in gate.begun)
        await arq_lab.until(lambda: not worker.tasks)


async def test_a_claim_whose_answer_is_lost_costs_no_slot_and_the_run_is_absent(
    redis_url: str, runs: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, lost, next_one = arq_lab.Record(), arq_lab.delivery_of(), arq_lab.delivery_of()
    worker = arq_lab.built(redis_url, record.job, max_jobs=1)
    real = worker._claims.claim
    answers: list[list[ClaimedJob]] = []

    async def claim(wanted: int, **what: Any) -> list[ClaimedJob]:
        answers.append(await real(wanted, **what))
        if len(answers) == 1:
            raise RedisConnectionError("the answer was lost")
        return answers[-1]

    monkeypatch.setattr(worker._claims, "claim", claim)
    await runs.push(lost)

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: answers)
        await runs.push(next_one)
        await arq_lab.until(lambda: worker.jobs_complete)

    assert [job.job_id for job in answers[0]] == [lost.job_id]
    assert record.run_ids == [str(next_one.run_id)]
    assert await runs.absent([lost]) == [lost]


async def test_a_worker_that_holds_back_takes_ticks_but_no_runs(
    redis_url: str, runs: RunQueue
) -> None:
    record, ticks = arq_lab.Record(), arq_lab.Ticks()
    limit: list[int | None] = [0]
    worker = arq_lab.built(
        redis_url,
        record.job,
        served=lambda: {"lab", "tick"},
        cron_jobs=[ticks.cron_job],
        may_take=lambda: limit[0],
    )
    await runs.push(arq_lab.delivery_of())

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: ticks.job_ids)
        held_back = list(record.run_ids)
        limit[0] = None
        await arq_lab.until(lambda: record.run_ids)

    assert held_back == []


async def test_a_worker_that_holds_back_does_not_wait_for_what_comes_due_meanwhile(
    redis_url: str,
) -> None:
    worker = arq_lab.built(redis_url, arq_lab.Record().job, may_take=lambda: 0)

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: worker._watch.is_hearing)
        worker._claims.next_due = 0.0  # as the last look has left it
        worker._watch.changed.set()
        await arq_lab.until(lambda: worker._claims.next_due)

    assert worker._claims.next_due == math.inf


async def test_a_worker_takes_no_more_than_it_may(redis_url: str, runs: RunQueue) -> None:
    gate = arq_lab.Gate()
    await runs.push(*(arq_lab.delivery_of() for _ in range(5)))
    worker = arq_lab.built(
        redis_url, gate.job, max_jobs=5, may_take=lambda: max(0, 2 - len(gate.begun))
    )

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: len(gate.begun) == 2)
        await asyncio.sleep(0.2)

    assert len(gate.begun) == 2


async def test_burst_ends_when_none_of_its_own_jobs_is_left(
    redis_url: str, runs: RunQueue, redis: ArqRedis
) -> None:
    record = arq_lab.Record(Retry(defer=timedelta(milliseconds=200)))
    await runs.push(
        *(arq_lab.delivery_of("stranger") for _ in range(150)),
        arq_lab.delivery_of(),
        arq_lab.delivery_of(),
    )
    worker = arq_lab.built(redis_url, record.job, burst=True)

    async with asyncio.timeout(10):
        await worker.main()
    await worker.close()

    assert (worker.jobs_complete, worker.jobs_retried) == (2, 1)
    assert await redis.zcard(_QUEUE) == 150
