from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from tests.core.lab import change_run, new_session
from tests.core.streams.scene import (
    end_run,
    new_runs,
    next_parcels,
    numbered,
    opened,
    placed,
    remaining,
    say,
    settle,
    to_the_ending,
)
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.runtime import Runtime
from ticketgen.streams.listener import RestartError, SlowError
from ticketgen.streams.positions import Position
from ticketgen.streams.rows import GoneError
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import RunTopic, SessionTopic

pytestmark = pytest.mark.services


async def test_a_client_gets_a_snapshot_then_what_is_newer_then_the_ending(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 10)
    async with streams.follow(RunTopic.of(run)) as following:
        snapshot = await next_parcels(following)
        await say(runtime, run, 20)
        await end_run(runtime, run)
        rest = await remaining(following)

    assert numbered(snapshot) == [("snapshot", 1)]
    assert snapshot[0].message.progress_percentage == 10
    assert numbered(rest) == [("progress", 2), ("completed", 3)]


async def test_what_is_sent_is_the_text_that_was_published(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        await say(runtime, run, 20, details={"ü": 1})
        [parcel] = await next_parcels(following)

    [(_, kept)] = await runtime.redis.xrange(f"{RunTopic.of(run).channel}:stream")
    assert parcel.text.encode() == kept[b"message"]


async def test_a_client_that_comes_back_gets_every_kept_message_after_its_position(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    for number in range(1, 6):
        await say(runtime, run, number)
    after = await placed(runtime, run, 2)

    async with streams.follow(RunTopic.of(run), after=after) as following:
        first = await next_parcels(following)
        await say(runtime, run, 6)
        second = await next_parcels(following)

    assert numbered(first) == [
        ("snapshot", 2),
        ("progress", 3),
        ("progress", 4),
        ("progress", 5),
    ]
    assert first[0].position == after
    assert first[0].message.progress_percentage == 5
    assert numbered(second) == [("progress", 6)]


async def test_a_client_that_missed_the_ending_gets_it_as_it_was_published(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 1)
    await end_run(runtime, run)

    async with streams.follow(RunTopic.of(run), after=await placed(runtime, run, 1)) as one:
        got = await remaining(one)

    assert numbered(got) == [("snapshot", 1), ("completed", 2)]
    assert not one.knew_the_ending


async def test_a_client_that_has_the_ending_is_recognised(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 1)
    await end_run(runtime, run)

    async with streams.follow(RunTopic.of(run), after=await placed(runtime, run, 2)) as one:
        got = await remaining(one)

    assert numbered(got) == [("snapshot", 2), ("completed", 2)]
    assert one.knew_the_ending


async def test_whoever_leaves_between_snapshot_and_ending_comes_back_for_the_ending(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 1)
    await end_run(runtime, run)
    snapshot, ending = await to_the_ending(streams, run)

    async with streams.follow(RunTopic.of(run), after=snapshot.position) as following:
        again = await remaining(following)

    assert numbered([snapshot, ending]) == [("snapshot", 1), ("completed", 2)]
    assert numbered(again) == [("snapshot", 1), ("completed", 2)]
    assert not following.knew_the_ending


async def test_a_second_process_goes_on_where_the_first_has_stopped(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as following:
        seen = await next_parcels(following)
        for number in range(1, 4):
            await say(runtime, run, number)
            seen += await next_parcels(following)
    position = seen[-1].position
    await say(runtime, run, 4)

    async with opened(runtime) as other, other.follow(RunTopic.of(run), after=position) as resumed:
        seen += await next_parcels(resumed)
        await end_run(runtime, run)
        seen += await remaining(resumed)

    numbers = [parcel.message.sequence for parcel in seen if parcel.message.type != "snapshot"]
    assert numbers == [1, 2, 3, 4, 5]


async def test_an_ending_that_was_never_published_comes_from_the_row(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 1)
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        await settle(runtime, run.id)
        got = await remaining(following)
    late = await to_the_ending(streams, run)

    assert numbered(got) == [("completed", None)]
    assert got[0].message.result_summary == {"counted": 3}
    assert numbered(late) == [("snapshot", 1), ("completed", None)]
    assert late[-1].event_id is not None
    async with streams.follow(
        RunTopic.of(run), after=Position(run.id.hex, run.attempt)
    ) as following:
        await next_parcels(following)
        assert following.knew_the_ending


async def test_a_client_of_a_session_that_comes_back_gets_the_ending_of_the_run_it_followed(
    streams: Streams, runtime: Runtime
) -> None:
    session_id = await new_session(runtime)
    topic = SessionTopic(task_type="lab", session_id=session_id)
    [first] = await new_runs(runtime, 1, session_id=session_id)
    async with streams.follow(topic) as following:
        await next_parcels(following)
        await say(runtime, first, 1)
        [seen] = await next_parcels(following)
    await end_run(runtime, first)
    [second] = await new_runs(runtime, 1, session_id=session_id)
    await say(runtime, second, 2)

    async with streams.follow(topic, after=seen.position) as following:
        got = await remaining(following)
    async with streams.follow(topic, after=got[-1].position) as following:
        newer = await next_parcels(following)

    assert numbered(got) == [("snapshot", 1), ("completed", 2)]
    assert {parcel.task_id for parcel in got} == {first.id}
    assert numbered(newer) == [("snapshot", 2), ("progress", 3)]
    assert {parcel.task_id for parcel in newer} == {second.id}


async def test_a_client_may_wait_for_the_first_run_of_a_session(
    streams: Streams, runtime: Runtime
) -> None:
    session_id = await new_session(runtime)
    async with streams.follow(SessionTopic(task_type="lab", session_id=session_id)) as following:
        waiting = await next_parcels(following)
        [run] = await new_runs(runtime, 1, session_id=session_id)
        await say(runtime, run, 1)
        news = await next_parcels(following)
        await end_run(runtime, run)
        rest = await remaining(following)

    assert waiting[0].message.status == "not_started"
    assert numbered(news + rest) == [("progress", 1), ("completed", 2)]


async def test_a_run_of_a_session_that_says_nothing_is_found_by_its_row(
    streams: Streams, runtime: Runtime
) -> None:
    session_id = await new_session(runtime)
    async with streams.follow(SessionTopic(task_type="lab", session_id=session_id)) as following:
        await next_parcels(following)
        [run] = await new_runs(runtime, 1, session_id=session_id)
        await settle(runtime, run.id)
        rest = await remaining(following)

    assert numbered(rest) == [("completed", None)]


@pytest.mark.parametrize("what", ["session_tasks", "sessions"])
async def test_what_is_deleted_ends_its_streams(
    streams: Streams, runtime: Runtime, what: str
) -> None:
    session_id = await new_session(runtime)
    [run] = await new_runs(runtime, 1, session_id=session_id)
    other = await new_session(runtime)
    async with (
        streams.follow(RunTopic.of(run)) as watching,
        streams.follow(SessionTopic(task_type="lab", session_id=other)) as waiting,
    ):
        await next_parcels(watching)
        await next_parcels(waiting)
        async with runtime.engine.begin() as connection:
            await connection.execute(text(f"DELETE FROM {what}"))
        with pytest.raises(GoneError):
            await next_parcels(watching)
        if what == "sessions":
            with pytest.raises(GoneError):
                await next_parcels(waiting)


async def test_a_run_that_is_parked_and_resumed_is_told_of(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 30)
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        await change_run(
            runtime, run.id, state=RunState.PARKED, parked={"code": "x", "message": "Nobody."}
        )
        [parked] = await next_parcels(following)
        await change_run(runtime, run.id, state=RunState.QUEUED, parked=None)
        [resumed] = await next_parcels(following)

    assert numbered([parked, resumed]) == [("snapshot", 1), ("snapshot", 1)]
    assert parked.message.current_stage == "Nobody."
    assert resumed.message.current_stage == "Counting"


async def test_with_redis_away_the_row_tells_the_snapshot_and_the_ending(
    streams: Streams, runtime: Runtime, run: TaskRun, servers: EmbeddedServers
) -> None:
    await asyncio.to_thread(servers.kill_redis)
    try:
        async with streams.follow(RunTopic.of(run), after=Position("e", 7)) as following:
            got = await next_parcels(following)
            await settle(runtime, run.id)
            got += await remaining(following)
    finally:
        await asyncio.to_thread(servers.start_redis)

    assert numbered(got) == [("snapshot", 7), ("completed", None)]


async def test_a_process_that_ends_sends_its_clients_away_and_lets_nobody_in(
    streams: Streams, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as following:
        await next_parcels(following)
        streams.stop()
        with pytest.raises(RestartError):
            await next_parcels(following)
    with pytest.raises(RestartError):
        async with streams.follow(RunTopic.of(run)):
            pass

    assert streams.hub.listener_count == 0


async def test_a_client_that_takes_nothing_holds_up_nobody_and_is_ended(
    streams: Streams, runtime: Runtime, run: TaskRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.streams.watch._HANGING_SECONDS", 0.2)
    interrupted = asyncio.Event()
    async with (
        streams.follow(RunTopic.of(run)) as slow,
        streams.follow(RunTopic.of(run)) as quick,
    ):
        slow.listener.interrupt = interrupted.set
        await next_parcels(slow)
        seen = await next_parcels(quick)
        for number in range(1, 301):
            quick.listener.sending_since = None
            await say(runtime, run, number / 3)
            seen += await next_parcels(quick)
        quick.listener.sending_since = None
        async with asyncio.timeout(60):
            await interrupted.wait()
        with pytest.raises(SlowError):
            await next_parcels(slow)

    assert [parcel.message.sequence for parcel in seen[1:]] == list(range(1, 301))
    assert streams.tally.overflows == 1
    assert streams.tally.coalesced > 0


async def test_a_slow_client_gets_the_newest_progress_and_the_ending(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run)) as slow, streams.follow(RunTopic.of(run)) as quick:
        got = await next_parcels(slow)
        await next_parcels(quick)
        for number in range(1, 301):
            await say(runtime, run, number / 3)
        await end_run(runtime, run)
        await remaining(quick)
        got += await remaining(slow)

    numbers = [parcel.message.sequence for parcel in got[1:]]
    assert len(numbers) <= 64
    assert numbers == sorted(set(numbers))  # type: ignore[type-var]
    assert numbers[-1] == 301
    assert got[-1].message.type == "completed"
