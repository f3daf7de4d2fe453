from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from arq.jobs import deserialize_job as deserialize_arq_job
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import ConfigurationError
from ticketgen.queue import (
    Delivery,
    QueueUnavailableError,
    RunQueue,
    connect_redis,
    deserialize_job,
    job_id_of,
    redis_settings,
    serialize_job,
)
from ticketgen.settings import Settings


def _delivery(number: int = 1, run_id: UUID | None = None) -> Delivery:
    return Delivery(run_id=run_id or uuid7(), task_type="lab", delivery=number, job_name="lab_job")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[RunQueue]:
    opened = RunQueue(Settings(redis_url=redis_url))
    yield opened
    await opened.close()


@pytest.mark.services
async def test_on_the_wire_there_is_json_with_nothing_but_the_run_id(
    queue: RunQueue, redis: Redis
) -> None:
    delivery = _delivery()

    await queue.push(delivery)

    raw = await redis.get(f"arq:job:{delivery.job_id}")
    job = json.loads(raw)
    assert (job["f"], job["a"], job["k"]) == ("lab_job", [str(delivery.run_id)], {})
    assert deserialize_arq_job(raw, deserializer=deserialize_job).function == "lab_job"


@pytest.mark.services
async def test_a_push_is_due_at_once_by_the_server_s_clock_and_is_kept_for_a_day(
    queue: RunQueue, redis: Redis
) -> None:
    delivery = _delivery()

    await queue.push(delivery)

    score = await redis.zscore("arq:queue", delivery.job_id)
    assert score is not None
    assert score == pytest.approx(time.time() * 1000, abs=10_000)
    assert score == int(score)
    assert 86_000_000 < await redis.pttl(f"arq:job:{delivery.job_id}") <= 86_400_000


@pytest.mark.services
async def test_a_duplicate_delivery_is_one_job_and_a_new_one_is_another(
    queue: RunQueue, redis: Redis
) -> None:
    run_id = uuid7()
    await queue.push(_delivery(1, run_id))
    before = await redis.zscore("arq:queue", f"lab:{run_id}:1")

    await queue.push(_delivery(1, run_id), _delivery(1, run_id))
    await queue.push(_delivery(1, run_id), _delivery(2, run_id))

    jobs = await redis.zrange("arq:queue", 0, -1)
    assert jobs == [f"lab:{run_id}:1".encode(), f"lab:{run_id}:2".encode()]
    assert await redis.zscore("arq:queue", f"lab:{run_id}:1") == before


@pytest.mark.services
async def test_thousands_of_deliveries_are_pushed_looked_for_and_withdrawn(
    queue: RunQueue, redis: Redis
) -> None:
    deliveries = [_delivery() for _ in range(5_000)]

    await queue.push(*deliveries[:4_500])

    absent = await queue.absent(deliveries)
    await queue.withdraw(*(delivery.job_id for delivery in deliveries))
    await queue.push()
    await queue.withdraw()
    assert absent == deliveries[4_500:]
    assert await redis.keys("arq:*") == []


@pytest.mark.services
async def test_absent_is_what_is_not_queued_and_what_hangs_in_a_claim(
    queue: RunQueue, redis: Redis
) -> None:
    queued, never, stuck = _delivery(), _delivery(), _delivery()
    await queue.push(queued, stuck)
    await redis.set(f"arq:in-progress:{stuck.job_id}", "1")

    absent = await queue.absent([queued, never, stuck])

    assert absent == [never, stuck]
    assert await queue.absent([]) == []


@pytest.mark.services
async def test_a_job_hidden_by_a_server_clock_that_was_set_back_is_absent(
    queue: RunQueue, redis: Redis
) -> None:
    delivery = _delivery()
    await queue.push(delivery)
    await redis.zincrby("arq:queue", 3_600_000, delivery.job_id)

    assert await queue.absent([delivery]) == [delivery]


@pytest.mark.services
async def test_withdrawing_takes_one_job_and_leaves_the_others(
    queue: RunQueue, redis: Redis
) -> None:
    gone, kept = _delivery(), _delivery()
    await queue.push(gone, kept)

    await queue.withdraw(job_id_of(task_type="lab", run_id=gone.run_id, delivery=1))

    assert await queue.absent([gone, kept]) == [gone]
    assert await redis.keys("arq:job:*") == [f"arq:job:{kept.job_id}".encode()]


@pytest.mark.services
async def test_a_server_that_forgot_the_scripts_takes_a_push(queue: RunQueue, redis: Redis) -> None:
    first, second = _delivery(), _delivery()
    await queue.push(first)
    await redis.script_flush()

    await queue.push(second)

    assert await queue.absent([first, second]) == []


@pytest.mark.services
async def test_with_redis_away_every_question_ends_with_one_error_and_comes_back(
    queue: RunQueue, servers: EmbeddedServers
) -> None:
    await queue.ping()
    servers.kill_redis()
    try:
        with pytest.raises(QueueUnavailableError):
            await queue.push(_delivery())
        with pytest.raises(QueueUnavailableError):
            await queue.absent([_delivery()])
        with pytest.raises(QueueUnavailableError):
            await queue.ping()
        await queue.withdraw(_delivery().job_id)
    finally:
        servers.start_redis()

    await queue.ping()


def test_a_job_survives_the_way_there_and_back_and_odd_values_become_text() -> None:
    job = {"t": 1, "f": "lab_job", "a": ["x"], "k": {}, "et": 5}

    assert deserialize_job(serialize_job(job)) == job
    assert deserialize_job(serialize_job({"r": ValueError("no")})) == {"r": "no"}


@pytest.mark.parametrize("url", [None, "http://localhost", "nonsense"])
def test_an_address_that_is_no_redis_is_refused_with_a_remedy(url: str | None) -> None:
    settings = Settings(redis_url=url)

    with pytest.raises(ConfigurationError, match="Redis"):
        _ = connect_redis(settings)
    with pytest.raises(ConfigurationError, match="Redis"):
        redis_settings(settings)
