"""Clients come, go and come back, runs speak and end, connections break: no ending is missed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from tests.core.streams.scene import new_runs, next_parcels, opened, say, settle
from ticketgen.domain.task_runs import TaskRun
from ticketgen.progress import terminal_message
from ticketgen.runtime import Runtime
from ticketgen.streams.parcels import Parcel
from ticketgen.streams.positions import Position
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import RunTopic

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

RUNS = 250
CLIENTS_EACH = 4


@dataclass
class Record:
    """What one client was sent, over all the times that it came."""

    at: int = 0
    position: Position | None = None
    visits: int = 0
    faults: list[str] = field(default_factory=list)
    endings: list[Parcel] = field(default_factory=list)

    def note(self, parcel: Parcel) -> None:
        kind, sequence = parcel.message.type, parcel.message.sequence
        if kind == "snapshot":
            if self.position is not None and sequence != self.at:
                self.faults.append(f"came back at {self.at}, was put at {sequence}")
            self.at = sequence or 0
        elif sequence is None:
            if not parcel.is_terminal:
                self.faults.append(f"{kind} without a number")
        elif sequence != self.at + 1:
            self.faults.append(f"{kind} {sequence} after {self.at}")
        else:
            self.at = sequence
        if parcel.position is not None:
            self.position = parcel.position
        if parcel.is_terminal:
            self.endings.append(parcel)


async def _watch(streams: Streams, run: TaskRun, chance: random.Random) -> Record:
    record = Record()
    await asyncio.sleep(chance.random() * 1.5)
    while not record.endings:
        record.visits += 1
        async with streams.follow(RunTopic.of(run), after=record.position) as following:
            while parcels := await next_parcels(following):
                for parcel in parcels:
                    record.note(parcel)
                if not record.endings and chance.random() < 0.5:
                    break
        await asyncio.sleep(chance.random() * 0.3)
    return record


async def _work(runtime: Runtime, run: TaskRun, chance: random.Random) -> bool:
    """Speak and end; whether the ending was published."""
    for number in range(chance.randrange(10)):
        await asyncio.sleep(chance.random() * 0.4)
        assert await say(runtime, run, number)
    await asyncio.sleep(chance.random() * 0.4)
    settled = await settle(runtime, run.id)
    if chance.random() < 0.1:
        return False
    return await runtime.publisher.publish(terminal_message(settled))


async def _cut(redis: Redis, chance: random.Random) -> None:
    while True:
        await asyncio.sleep(0.1 + chance.random() * 0.4)
        await redis.client_kill_filter(_type="pubsub")


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_client_misses_an_ending_or_a_message_or_gets_one_twice(
    runtime: Runtime, redis_url: str, seed: int
) -> None:
    chance = random.Random(seed)
    runs = await new_runs(runtime, RUNS)
    async with opened(runtime) as streams, Redis.from_url(redis_url) as redis:
        cutting = asyncio.create_task(_cut(redis, random.Random(seed)))
        watching = [
            asyncio.create_task(_watch(streams, run, random.Random(chance.random())))
            for run in runs
            for _ in range(CLIENTS_EACH)
        ]
        published = await asyncio.gather(
            *(_work(runtime, run, random.Random(chance.random())) for run in runs)
        )
        records = await asyncio.gather(*watching)
        cutting.cancel()
        left = streams.hub.listener_count
        tally = streams.tally

    faults = [fault for record in records for fault in record.faults]
    assert faults == []
    assert {len(record.endings) for record in records} == {1}
    assert [record.endings[0].task_id for record in records] == [
        run.id for run in runs for _ in range(CLIENTS_EACH)
    ]
    numbered = [record.endings[0].position is not None for record in records]
    for number, was_published in enumerate(published):
        if not was_published:
            of_run = numbered[number * CLIENTS_EACH : (number + 1) * CLIENTS_EACH]
            assert not any(of_run)
    assert sum(record.visits for record in records) > len(records) * 1.1
    assert tally.reconnects > 3
    assert tally.resyncs == 0
    assert left == 0
