from __future__ import annotations

import pytest

from tests.core.streams.scene import next_parcels, numbered, placed, say
from ticketgen.domain.task_runs import TaskRun
from ticketgen.runtime import Runtime
from ticketgen.streams.positions import Position
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import RunTopic

pytestmark = pytest.mark.services


async def test_a_client_behind_what_is_kept_is_told_so_and_begins_anew(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    for number in range(1, 1_300):
        await say(runtime, run, number / 13)

    async with streams.follow(RunTopic.of(run), after=await placed(runtime, run, 3)) as one:
        got = await next_parcels(one)

    assert numbered(got) == [("resync", None), ("snapshot", 1_299)]
    assert streams.tally.resyncs == 1


async def test_of_kept_messages_a_thousand_are_replayed(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    for number in range(1, 1_002):
        await say(runtime, run, number / 11)

    async with streams.follow(RunTopic.of(run), after=await placed(runtime, run, 1)) as one:
        got = await next_parcels(one)

    assert numbered(got) == [("snapshot", 1), *(("progress", n) for n in range(2, 1_002))]


@pytest.mark.parametrize("after", [Position("0ther", 1), Position("0ther", 10_000)])
async def test_a_position_of_another_epoch_leads_to_a_resync(
    streams: Streams, runtime: Runtime, run: TaskRun, after: Position
) -> None:
    await say(runtime, run, 1)

    async with streams.follow(RunTopic.of(run), after=after) as following:
        got = await next_parcels(following)

    assert numbered(got) == [("resync", None), ("snapshot", 1)]


async def test_a_position_that_was_never_reached_leads_to_a_resync(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    await say(runtime, run, 1)

    async with streams.follow(RunTopic.of(run), after=await placed(runtime, run, 9)) as one:
        got = await next_parcels(one)

    assert numbered(got) == [("resync", None), ("snapshot", 1)]


async def test_a_position_in_a_stream_that_has_lapsed_leads_to_a_resync(
    streams: Streams, runtime: Runtime, run: TaskRun
) -> None:
    async with streams.follow(RunTopic.of(run), after=Position("gone", 4)) as following:
        got = await next_parcels(following)
        await say(runtime, run, 1)
        news = await next_parcels(following)

    assert numbered(got) == [("resync", None), ("snapshot", None)]
    assert numbered(news) == [("progress", 1)]
