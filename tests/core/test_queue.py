from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
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
    redis_settings,
    serialize_job,
)
from ticketgen.settings import Settings


def _delivery(number: int = 1, run_id: UUID | None = None, **options: datetime) -> Delivery:
    return Delivery(
        run_id=run_id or uuid7(), task_type="lab", delivery=number, job_name="lab_job", **options
    )


@pytest.mark.services
async def test_on_the_wire_there_is_json_with_nothing_but_the_run_id(redis_url: str) -> None:
    queue = RunQueue(Settings(redis_url=redis_url))
    delivery = _delivery()

    await queue.push(delivery)

    async with Redis.from_url(redis_url) as redis:
        raw = await redis.get(f"arq:job:{delivery.job_id}")
    await queue.close()
    assert raw is not None
    job = json.loads(raw)
    assert (job["f"], job["a"], job["k"]) == ("lab_job", [str(delivery.run_id)], {})


@pytest.mark.services
async def test_a_push_of_the_same_delivery_is_one_job_and_a_new_one_is_another(
    redis_url: str,
) -> None:
    queue = RunQueue(Settings(redis_url=redis_url))
    run_id = uuid7()

    for number in (1, 1, 2):
        await queue.push(_delivery(number, run_id))

    async with Redis.from_url(redis_url) as redis:
        jobs = await redis.zrange("arq:queue", 0, -1)
    await queue.close()
    assert jobs == [f"lab:{run_id}:1".encode(), f"lab:{run_id}:2".encode()]


@pytest.mark.services
async def test_a_delivery_for_later_is_scored_by_its_time(redis_url: str) -> None:
    queue = RunQueue(Settings(redis_url=redis_url))
    delivery = _delivery(available_at=datetime(2030, 1, 1, tzinfo=UTC))

    await queue.push(delivery)

    async with Redis.from_url(redis_url) as redis:
        score = await redis.zscore("arq:queue", delivery.job_id)
    await queue.close()
    assert score == datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000


@pytest.mark.services
async def test_absent_is_what_is_not_queued_and_what_hangs_in_arq_s_claim(redis_url: str) -> None:
    queue = RunQueue(Settings(redis_url=redis_url))
    queued, never, stuck = _delivery(), _delivery(), _delivery()
    await queue.push(queued)
    await queue.push(stuck)
    async with Redis.from_url(redis_url) as redis:
        await redis.set(f"arq:in-progress:{stuck.job_id}", "1")

    absent = await queue.absent([queued, never, stuck])

    nothing = await queue.absent([])
    await queue.close()
    assert absent == [never, stuck]
    assert nothing == []


@pytest.mark.services
async def test_with_redis_away_every_question_ends_with_one_error_and_comes_back(
    redis_url: str, servers: EmbeddedServers
) -> None:
    queue = RunQueue(Settings(redis_url=redis_url))
    await queue.ping()
    servers.kill_redis()
    try:
        with pytest.raises(QueueUnavailableError):
            await queue.push(_delivery())
        with pytest.raises(QueueUnavailableError):
            await queue.absent([_delivery()])
        with pytest.raises(QueueUnavailableError):
            await queue.ping()
    finally:
        servers.start_redis()

    await queue.ping()
    await queue.close()


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
