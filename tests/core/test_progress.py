from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import ErrorCategory
from ticketgen.progress import (
    ProgressMessage,
    Publisher,
    bounded,
    channel_of,
    channel_of_run,
    publish_completion,
    publish_error,
    publish_progress,
    snapshot_message,
    terminal_message,
)

RUN_ID = uuid7()
SESSION_ID = uuid7()
CHANNEL = f"progress:{SESSION_ID}:lab"


def _run(state: RunState = RunState.RUNNING, **values: Any) -> TaskRun:
    return TaskRun(
        **{
            "id": RUN_ID,
            "task_type": "lab",
            "session_id": SESSION_ID,
            "state": state,
            "attempt": 2,
            **values,
        }
    )


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def _publish(publisher: Publisher, percentage: float = 10) -> bool:
    return await publish_progress(
        publisher,
        session_id=SESSION_ID,
        task_id=RUN_ID,
        task_type="lab",
        percentage=percentage,
        stage="counting",
        details={"n": 1},
        attempt=1,
    )


async def _kept(redis: Redis) -> list[ProgressMessage]:
    return [
        ProgressMessage.model_validate_json(fields[b"message"])
        for _, fields in await redis.xrange(f"{CHANNEL}:stream")
    ]


@pytest.mark.services
async def test_twenty_publishers_at_once_number_from_one_without_gaps(redis: Redis) -> None:
    publishers = [Publisher(redis, keep=timedelta(hours=1)) for _ in range(20)]

    await asyncio.gather(*(_publish(publisher) for publisher in publishers * 10))

    kept = await _kept(redis)
    assert [message.sequence for message in kept] == list(range(1, 201))
    assert len({message.epoch for message in kept}) == 1


@pytest.mark.services
async def test_what_is_published_is_what_is_kept(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        await pubsub.get_message(timeout=60)

        await _publish(publisher)
        received = await pubsub.get_message(timeout=60)

    [(_, fields)] = await redis.xrange(f"{CHANNEL}:stream")
    assert received is not None
    assert received["data"] == fields[b"message"]
    message = json.loads(received["data"])
    assert message["type"] == "progress"
    assert (message["sequence"], message["progress_percentage"]) == (1, 10.0)
    assert message["details"] == {"n": 1}


@pytest.mark.services
async def test_a_wiped_redis_begins_another_epoch_at_one(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    await _publish(publisher)
    before = await publisher.last_message(CHANNEL)
    await redis.flushall()
    await redis.script_flush()

    published = await _publish(publisher)

    after = await publisher.last_message(CHANNEL)
    assert published
    assert before is not None
    assert after is not None
    assert (before.sequence, after.sequence) == (1, 1)
    assert before.epoch != after.epoch


@pytest.mark.services
async def test_a_stream_is_capped_and_goes_away_after_its_time(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(minutes=7))

    for _ in range(1_300):
        await _publish(publisher)

    newest = await publisher.last_message(CHANNEL)
    assert 1_000 <= await redis.xlen(f"{CHANNEL}:stream") <= 1_100
    assert newest is not None
    assert newest.sequence == 1_300
    assert 300 < await redis.ttl(f"{CHANNEL}:stream") <= 420
    assert 300 < await redis.ttl(f"{CHANNEL}:meta") <= 420


@pytest.mark.services
async def test_with_redis_away_publishing_says_no_and_raises_nothing(
    redis: Redis, servers: EmbeddedServers
) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    await _publish(publisher)
    servers.kill_redis()
    try:
        published = await _publish(publisher)
        last = await publisher.last_message(CHANNEL)
    finally:
        servers.start_redis()

    assert not published
    assert last is None
    assert await _publish(publisher)


@pytest.mark.services
async def test_an_ending_is_made_from_the_row(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    error = {"error_category": "user_fixable", "user_message": "no", "recovery_actions": ["do"]}
    other_id = uuid7()

    await publish_completion(publisher, _run(RunState.COMPLETED, result_summary={"n": 3}))
    await publish_error(publisher, _run(RunState.FAILED, id=other_id, error=error))

    completed, failed = await _kept(redis)
    assert (completed.type, completed.progress_percentage) == ("completed", 100.0)
    assert completed.result_summary == {"n": 3}
    assert (failed.type, failed.error_category) == ("error", ErrorCategory.USER_FIXABLE)
    assert (failed.user_message, failed.recovery_actions) == ("no", ["do"])
    assert (completed.sequence, failed.sequence) == (1, 2)


def test_a_cancelled_run_has_an_ending_of_its_own() -> None:
    message = terminal_message(_run(RunState.CANCELLED))

    assert (message.type, message.status) == ("cancelled", "cancelled")
    assert message.is_terminal
    assert message.error_category is None


def test_a_channel_is_named_by_session_or_else_by_run() -> None:
    assert channel_of("lab", session_id=SESSION_ID, task_id=RUN_ID) == CHANNEL
    assert channel_of_run(_run(session_id=None)) == f"progress:{RUN_ID}:lab"


def test_a_snapshot_of_what_never_ran_says_so() -> None:
    snapshot = snapshot_message(None, None, task_type="lab", session_id=SESSION_ID)

    assert (snapshot.type, snapshot.status, snapshot.task_id) == ("snapshot", "not_started", None)
    assert not snapshot.is_terminal


def test_a_snapshot_takes_the_row_s_progress_where_nothing_was_published() -> None:
    run = _run(progress={"percentage": 40.0, "stage": "half", "details": {"n": 2}})

    snapshot = snapshot_message(run, None, task_type="lab", session_id=SESSION_ID)

    assert (snapshot.progress_percentage, snapshot.current_stage) == (40.0, "half")
    assert (snapshot.status, snapshot.attempt) == ("processing", 2)


def test_a_snapshot_takes_published_progress_of_this_run_only() -> None:
    run = _run(progress={"percentage": 40.0, "stage": "half"})
    last = ProgressMessage(
        type="progress",
        session_id=SESSION_ID,
        task_id=RUN_ID,
        task_type="lab",
        timestamp=datetime.now(UTC),
        progress_percentage=60.0,
        current_stage="further",
        epoch="e",
        sequence=7,
    )
    foreign = last.model_copy(update={"task_id": uuid7()})

    own = snapshot_message(run, last, task_type="lab", session_id=SESSION_ID)
    other = snapshot_message(run, foreign, task_type="lab", session_id=SESSION_ID)

    assert (own.progress_percentage, own.current_stage) == (60.0, "further")
    assert other.progress_percentage == 40.0
    assert (own.epoch, own.sequence) == (other.epoch, other.sequence) == ("e", 7)


@pytest.mark.services
async def test_an_entry_is_numbered_as_its_message(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    for _ in range(3):
        await _publish(publisher)

    entries = await redis.xrange(f"{CHANNEL}:stream", min="2-0")

    assert [entry_id for entry_id, _ in entries] == [b"2-0", b"3-0"]
    assert [json.loads(fields[b"message"])["sequence"] for _, fields in entries] == [2, 3]


@pytest.mark.services
async def test_a_stream_of_an_earlier_version_is_dropped_for_another_epoch(redis: Redis) -> None:
    pipeline = redis.pipeline()
    pipeline.hset(f"{CHANNEL}:meta", mapping={"epoch": "old", "sequence": 7})
    await pipeline.execute()
    await redis.xadd(f"{CHANNEL}:stream", {"message": "{}"})
    publisher = Publisher(redis, keep=timedelta(hours=1))

    await _publish(publisher)
    await _publish(publisher)

    kept = await _kept(redis)
    assert [message.sequence for message in kept] == [1, 2]
    assert "old" not in {message.epoch for message in kept}


@pytest.mark.services
async def test_a_stream_whose_counter_is_gone_is_dropped_for_another_epoch(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    for _ in range(3):
        await _publish(publisher)
    before = await publisher.last_message(CHANNEL)
    await redis.delete(f"{CHANNEL}:meta")

    await _publish(publisher)

    [message] = await _kept(redis)
    assert before is not None
    assert message.epoch != before.epoch
    assert message.sequence == 1


@pytest.mark.services
async def test_a_stream_lives_as_long_after_its_ending_as_after_any_message(redis: Redis) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    await _publish(publisher)
    for key in ("stream", "meta"):
        await redis.expire(f"{CHANNEL}:{key}", 100)

    await publish_completion(publisher, _run(RunState.COMPLETED))

    for key in ("stream", "meta"):
        assert await redis.ttl(f"{CHANNEL}:{key}") > 3_000


@pytest.mark.services
async def test_a_message_that_is_too_large_is_published_without_what_is_too_large(
    redis: Redis,
) -> None:
    publisher = Publisher(redis, keep=timedelta(hours=1))
    await publish_progress(
        publisher,
        session_id=SESSION_ID,
        task_id=RUN_ID,
        task_type="lab",
        percentage=10,
        stage="s" * 5_000,
        details={"rows": ["x" * 100] * 1_000},
    )
    error = {"user_message": "m" * 50_000, "recovery_actions": ["a" * 3_000] * 50}
    await publish_error(publisher, _run(RunState.FAILED, error=error))

    progress, failed = await _kept(redis)
    assert progress.details is not None
    assert list(progress.details) == ["left_out"]
    assert progress.details["left_out"].startswith("1030")
    assert len(progress.current_stage or "") == 500
    assert len(failed.user_message or "") == 4_000
    assert [len(action) for action in failed.recovery_actions or []] == [500] * 8


def test_a_message_of_a_usual_size_is_left_as_it_is() -> None:
    message = terminal_message(_run(RunState.COMPLETED, result_summary={"n": "x" * 16_000}))

    assert bounded(message) is message


def test_a_result_that_is_too_large_is_left_out_and_said_so() -> None:
    message = terminal_message(_run(RunState.COMPLETED, result_summary={"n": "x" * 17_000}))

    assert "17008 bytes" in (bounded(message).result_summary or {})["left_out"]
