from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from sqlalchemy import event

from tests.core.streams.scene import (
    end_run,
    new_runs,
    next_parcels,
    opened,
    say,
    settle,
    subscribers,
)
from ticketgen.domain.task_runs import TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.runtime import Runtime
from ticketgen.streams.following import Following
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import RunTopic

pytestmark = pytest.mark.services


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def streams(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Streams]:
    # Whoever is let in without being subscribed would hide what these tests are about.
    monkeypatch.setattr("ticketgen.streams.hub._SUBSCRIBE_SECONDS", 60)
    async with opened(runtime) as running:
        yield running


async def _until(happened: Callable[[], Awaitable[object] | object]) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = happened()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.02)


async def _listeners_of(redis: Redis, run: TaskRun) -> int:
    [(_, count)] = await redis.pubsub_numsub(RunTopic.of(run).channel)
    return int(count)


async def _heard(following: Following) -> list[int | None]:
    return [parcel.message.sequence for parcel in await next_parcels(following)]


async def test_any_number_of_clients_share_one_connection(
    streams: Streams, runtime: Runtime, redis: Redis
) -> None:
    runs = await new_runs(runtime, 40)
    async with AsyncExitStack() as stack:
        for run in runs * 3:
            following = await stack.enter_async_context(streams.follow(RunTopic.of(run)))
            await next_parcels(following)
        listening = await subscribers(redis)
        counts = streams.hub.listener_count, streams.hub.channel_count

    assert len(listening) == 1
    assert int(listening[0]["sub"]) == 41  # and the process's own
    assert counts == (120, 40)
    assert streams.hub.listener_count == 0


async def test_a_thousand_clients_that_come_at_once_take_few_connections(
    streams: Streams, runtime: Runtime, redis: Redis
) -> None:
    runs = await new_runs(runtime, 100)
    for run in runs:
        await say(runtime, run, 1)
    before = (await redis.info("stats"))["total_connections_received"]

    async def attend(stack: AsyncExitStack, run: TaskRun) -> str:
        following = await stack.enter_async_context(streams.follow(RunTopic.of(run)))
        return (await next_parcels(following))[0].message.type

    async with AsyncExitStack() as stack:
        kinds = await asyncio.gather(*(attend(stack, run) for run in runs * 10))
        after = (await redis.info("stats"))["total_connections_received"]

    assert kinds == ["snapshot"] * 1_000
    assert after - before <= 4


async def test_when_the_last_client_leaves_the_channel_is_given_up(
    streams: Streams, runtime: Runtime, redis: Redis, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as staying:
        await next_parcels(staying)
        async with streams.follow(RunTopic.of(run)) as leaving:
            await next_parcels(leaving)
        await say(runtime, run, 5)
        heard = await _heard(staying)
        while_one_stays = await _listeners_of(redis, run)

    async def is_given_up() -> bool:
        return not await _listeners_of(redis, run)

    await _until(is_given_up)
    assert (while_one_stays, heard) == (1, [1])
    assert streams.hub._relays == {}


async def test_a_client_that_comes_back_at_once_is_ready_at_once(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    with structlog.testing.capture_logs() as logs:
        for number in range(1, 6):
            async with streams.follow(RunTopic.of(run)) as following:
                await next_parcels(following)
                await say(runtime, run, number)
                assert await _heard(following) == [number]

    assert [entry["event"] for entry in logs] == []


async def test_a_client_that_comes_while_the_process_subscribes_for_another_is_not_missed(
    streams: Streams, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = PubSub.subscribe
    subscribing = asyncio.Event()

    async def slowly(pubsub: PubSub, *channels: str) -> None:
        subscribing.set()
        await asyncio.sleep(0.1)
        await subscribe(pubsub, *channels)

    monkeypatch.setattr(PubSub, "subscribe", slowly)
    first, second = await new_runs(runtime, 2)
    async with AsyncExitStack() as stack:
        early = asyncio.create_task(stack.enter_async_context(streams.follow(RunTopic.of(first))))
        await subscribing.wait()
        following = await stack.enter_async_context(streams.follow(RunTopic.of(second)))
        await early
        await next_parcels(following)

        await say(runtime, second, 8)

        assert await _heard(following) == [1]


async def test_clients_of_one_channel_come_and_go_while_it_speaks(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    async def speak() -> None:
        for number in range(300):
            await say(runtime, run, number / 3)
        await end_run(runtime, run)

    async def attend(number: int) -> list[int | None]:
        await asyncio.sleep(number * 0.002)
        numbers: list[int | None] = []
        async with streams.follow(RunTopic.of(run)) as following:
            while parcels := await next_parcels(following):
                numbers += [parcel.message.sequence for parcel in parcels]
        return numbers

    speaking = asyncio.create_task(speak())
    heard = await asyncio.gather(*(attend(number) for number in range(100)))
    await speaking

    for numbers in heard:
        first = numbers[0] or 0
        assert numbers[1:] == list(range(first + 1, 302))


async def test_what_is_no_message_is_passed_over(
    streams: Streams, runtime: Runtime, redis: Redis, run: TaskRun
) -> None:
    channel = RunTopic.of(run).channel
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        for nonsense in (b"nonsense", b"\xff\xfe", b"{}", b"[]"):
            await redis.publish(channel, nonsense)
        await say(runtime, run, 3)

        assert await _heard(following) == [1]


async def test_a_killed_connection_is_made_anew_and_what_was_said_meanwhile_is_fetched(
    streams: Streams, runtime: Runtime, redis: Redis, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        await say(runtime, run, 1)
        heard = await _heard(following)
        await redis.client_kill_filter(_type="pubsub")
        for number in range(2, 6):
            await say(runtime, run, number)
        while len(heard) < 5:
            heard += await _heard(following)

    assert heard == [1, 2, 3, 4, 5]
    assert streams.tally.reconnects == 1


async def test_redis_killed_and_started_again_while_clients_are_attached(
    streams: Streams, runtime: Runtime, servers: EmbeddedServers
) -> None:
    speaking, ending = await new_runs(runtime, 2)
    async with (
        streams.follow(RunTopic.of(speaking)) as one,
        streams.follow(RunTopic.of(ending)) as other,
    ):
        await next_parcels(one)
        await next_parcels(other)
        await asyncio.to_thread(servers.kill_redis)
        await settle(runtime, ending.id)
        last = await next_parcels(other)
        await asyncio.to_thread(lambda: servers.start_redis(wipe=True))
        await _until(lambda: runtime.redis.ping())
        await say(runtime, speaking, 50)
        [news] = await next_parcels(one)

    assert last[-1].message.type == "completed"
    assert (news.message.progress_percentage, news.message.sequence) == (50, 1)


async def test_a_subscription_taken_away_behind_its_back_is_made_again(
    streams: Streams, runtime: Runtime, redis: Redis, run: TaskRun
) -> None:
    taken: list[PubSub] = []
    take = streams.hub._subscription._ask

    async def watched(pubsub: PubSub) -> None:
        taken.append(pubsub)
        await take(pubsub)

    streams.hub._subscription._ask = watched  # type: ignore[method-assign]
    await redis.client_kill_filter(_type="pubsub")
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        await taken[-1].unsubscribe(RunTopic.of(run).channel)
        await _until(lambda: len(taken) > 1)
        await say(runtime, run, 1)

        assert await _heard(following) == [1]


async def test_a_process_that_does_not_hear_itself_says_so_and_connects_anew(
    streams: Streams, runtime: Runtime, redis: Redis, run: TaskRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.streams.subscription._UNREADY_SECONDS", 1.5)
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        well = streams.hub.trouble
        # The connection stays open, and nothing comes over it any more.
        monkeypatch.setattr(streams.hub._subscription, "_take", lambda received: None)
        await _until(lambda: streams.hub.trouble is not None)
        trouble = streams.hub.trouble
        await _until(lambda: streams.tally.reconnects > 0)
        monkeypatch.undo()
        await _until(lambda: streams.hub.trouble is None)
        await say(runtime, run, 1)
        heard = await _heard(following)

    assert well is None
    assert trouble is not None
    assert "has not heard itself" in trouble
    assert heard == [1]


async def test_however_many_clients_are_silent_their_rows_are_looked_at_by_one_query(
    streams: Streams, runtime: Runtime
) -> None:
    runs = await new_runs(runtime, 50)
    asked: list[str] = []

    async with AsyncExitStack() as stack:
        for run in runs * 4:
            following = await stack.enter_async_context(streams.follow(RunTopic.of(run)))
            await next_parcels(following)
            following.listener.heard_at = 0.0

        @event.listens_for(runtime.engine.sync_engine, "before_cursor_execute")
        def note(*arguments: object) -> None:
            asked.append(str(arguments[2]))

        await streams._watch.look()
        looked = len([query for query in asked if "session_tasks" in query])
        event.remove(runtime.engine.sync_engine, "before_cursor_execute", note)

    # The process's own tick may have looked as well.
    assert 1 <= looked <= 2
