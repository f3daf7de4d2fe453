from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import pytest
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from uuid_utils.compat import uuid7

from ticketgen.embedded import EmbeddedServers
from ticketgen.progress import ProgressMessage, Publisher, channel_of
from ticketgen.progress_hub import ProgressHub
from ticketgen.queue import connect_redis
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

Kind = Literal["progress", "completed", "error"]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def hub(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProgressHub]:
    # Whoever is let in without being subscribed misses what is said to it then.
    monkeypatch.setattr("ticketgen.progress_hub._SUBSCRIBE_SECONDS", 60)
    client = connect_redis(Settings(redis_url=redis_url))
    async with ProgressHub(client).running() as running:
        yield running
    await client.aclose(close_connection_pool=True)


def _channel(session_id: UUID) -> str:
    return channel_of("lab", session_id=session_id)


async def _say(
    redis: Redis,
    session_id: UUID,
    percentage: float,
    kind: Kind = "progress",
    *,
    task_id: UUID | None = None,
) -> None:
    await Publisher(redis, keep=timedelta(minutes=5)).publish(
        ProgressMessage(
            type=kind,
            session_id=session_id,
            task_id=task_id or session_id,
            task_type="lab",
            timestamp=datetime.now(UTC),
            progress_percentage=percentage,
        )
    )


async def _heard(queue: asyncio.Queue[ProgressMessage]) -> float | None:
    async with asyncio.timeout(60):
        return (await queue.get()).progress_percentage


async def _subscribers(redis: Redis) -> int:
    return sum(int(client["sub"]) > 0 for client in await redis.client_list())


async def test_two_listeners_of_one_channel_and_one_of_another_share_a_connection(
    hub: ProgressHub, redis: Redis
) -> None:
    one, two = uuid7(), uuid7()
    async with (
        hub.listen(_channel(one)) as first,
        hub.listen(_channel(one)) as second,
        hub.listen(_channel(two)) as third,
    ):
        subscribers = await _subscribers(redis)
        count = hub.listener_count

        await _say(redis, one, 10)
        await _say(redis, two, 20)

        assert [await _heard(queue) for queue in (first, second, third)] == [10, 10, 20]
        assert (subscribers, count) == (1, 3)
        assert first.empty()
        assert third.empty()


async def test_when_the_last_listener_leaves_the_channel_is_given_up(
    hub: ProgressHub, redis: Redis
) -> None:
    session_id = uuid7()
    channel = _channel(session_id)
    async with hub.listen(channel) as staying:
        async with hub.listen(channel):
            pass
        await asyncio.sleep(0.2)
        [(_, while_one_stays)] = await redis.pubsub_numsub(channel)
        await _say(redis, session_id, 5)
        heard = await _heard(staying)

    async with asyncio.timeout(60):
        while (await redis.pubsub_numsub(channel))[0][1]:  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.02)

    assert (while_one_stays, heard) == (1, 5)
    assert hub.listener_count == 0


async def test_a_listener_that_comes_back_at_once_is_ready_at_once(
    hub: ProgressHub, redis: Redis
) -> None:
    session_id = uuid7()
    with structlog.testing.capture_logs() as logs:
        for n in range(5):
            async with hub.listen(_channel(session_id)) as queue:
                await _say(redis, session_id, n)
                assert await _heard(queue) == n

    assert [entry["event"] for entry in logs] == []


async def test_a_listener_that_comes_while_the_hub_subscribes_for_another_is_not_missed(
    hub: ProgressHub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = PubSub.subscribe
    subscribing = asyncio.Event()

    async def slowly(pubsub: PubSub, *channels: str) -> None:
        subscribing.set()
        await asyncio.sleep(0.1)
        await subscribe(pubsub, *channels)

    monkeypatch.setattr(PubSub, "subscribe", slowly)
    first, second = uuid7(), uuid7()
    async with AsyncExitStack() as stack:
        early = asyncio.create_task(stack.enter_async_context(hub.listen(_channel(first))))
        await subscribing.wait()
        queue = await stack.enter_async_context(hub.listen(_channel(second)))
        await early

        await _say(redis, second, 8)

        assert await _heard(queue) == 8


async def test_of_many_listeners_that_come_one_after_another_each_hears_its_own(
    hub: ProgressHub, redis: Redis
) -> None:
    ids = [uuid7() for _ in range(60)]

    async def attend(position: int) -> float | None:
        await asyncio.sleep(position * 0.001)
        async with hub.listen(_channel(ids[position])) as queue:
            await _say(redis, ids[position], position)
            return await _heard(queue)

    heard = await asyncio.gather(*(attend(n) for n in range(len(ids))))

    assert heard == list(range(60))


async def test_the_hub_heals_when_redis_comes_back(
    hub: ProgressHub, redis: Redis, servers: EmbeddedServers
) -> None:
    session_id = uuid7()
    async with hub.listen(_channel(session_id)) as queue:
        await asyncio.to_thread(servers.kill_redis)
        try:
            async with asyncio.timeout(60):
                while hub.connected:  # noqa: ASYNC110 - the hub has no event for it
                    await asyncio.sleep(0.02)
            connected = hub.connected
        finally:
            await asyncio.to_thread(servers.start_redis)
        async with asyncio.timeout(60):
            while (await redis.pubsub_numsub(_channel(session_id)))[0][1] == 0:  # noqa: ASYNC110 - Redis has no event for it
                await asyncio.sleep(0.05)

        await _say(redis, session_id, 77)

        assert await _heard(queue) == 77
        assert not connected
        assert hub.connected


async def test_with_redis_away_a_listener_is_let_in_all_the_same(
    hub: ProgressHub, redis: Redis, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.progress_hub._SUBSCRIBE_SECONDS", 0.2)
    session_id = uuid7()
    await asyncio.to_thread(servers.kill_redis)
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(60):
                queue = await stack.enter_async_context(hub.listen(_channel(session_id)))
        finally:
            await asyncio.to_thread(servers.start_redis)
        async with asyncio.timeout(60):
            while (await redis.pubsub_numsub(_channel(session_id)))[0][1] == 0:  # noqa: ASYNC110 - Redis has no event for it
                await asyncio.sleep(0.05)

        await _say(redis, session_id, 1)

        assert await _heard(queue) == 1


async def test_a_slow_listener_loses_the_oldest_progress_and_no_ending(
    hub: ProgressHub, redis: Redis
) -> None:
    session_id = uuid7()
    async with (
        hub.listen(_channel(session_id)) as slow,
        hub.listen(_channel(session_id)) as quick,
    ):
        await _say(redis, session_id, -1, "completed", task_id=uuid7())
        for n in range(300):
            await _say(redis, session_id, n)
            if n % 50 == 49:
                while not quick.empty():
                    quick.get_nowait()
        await _say(redis, session_id, -2, "error")
        while True:
            if await _heard(quick) == -2:
                break

        received = [slow.get_nowait() for _ in range(slow.qsize())]

        assert [message.type for message in received if message.is_terminal] == [
            "completed",
            "error",
        ]
        progress = [m.progress_percentage for m in received if not m.is_terminal]
        assert progress == list(range(300 - len(progress), 300))
        assert len(received) == 256


async def test_what_is_no_message_is_passed_over(hub: ProgressHub, redis: Redis) -> None:
    session_id = uuid7()
    async with hub.listen(_channel(session_id)) as queue:
        await redis.publish(_channel(session_id), "nonsense")
        await redis.publish(_channel(session_id), b"\xff\xfe")
        await _say(redis, session_id, 3)

        assert await _heard(queue) == 3
