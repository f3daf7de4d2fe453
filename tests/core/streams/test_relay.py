from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from uuid import uuid4

from ticketgen.progress_messages import ProgressMessage
from ticketgen.streams.kept import Kept
from ticketgen.streams.listener import Listener
from ticketgen.streams.parcels import Parcel, parcel_of
from ticketgen.streams.positions import Position
from ticketgen.streams.relay import Relay
from ticketgen.streams.tally import Tally
from ticketgen.streams.topics import RunTopic

_RUN = uuid4()


def _message(sequence: int) -> Parcel:
    return parcel_of(
        ProgressMessage(
            type="progress",
            session_id=None,
            task_id=_RUN,
            task_type="lab",
            timestamp=datetime.now(UTC),
            epoch="e",
            sequence=sequence,
        )
    )


class KeptMessages:
    """What is kept of the channel; it is read when somebody opens the gate."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.messages: list[Parcel] = []

    async def read(self, channel: str, after: Position | None = None) -> Kept:
        await self.gate.wait()
        at = after.sequence if after is not None else 0
        news = tuple(parcel for parcel in self.messages if _sequence(parcel) > at)
        return Kept(newest=self.messages[-1], entries=news)


def _sequence(parcel: Parcel) -> int:
    assert parcel.position is not None
    return parcel.position.sequence


def _listener() -> Listener:
    topic = RunTopic(run_id=_RUN, channel="c", task_type="lab", session_id=None)
    return Listener(topic, Tally(), now=time.monotonic())


async def _heard(listener: Listener) -> list[int]:
    async with asyncio.timeout(60):
        parcels, _ = await listener.received()
    return [_sequence(parcel) for parcel in parcels]


async def test_what_is_fetched_for_one_client_is_not_lost_for_one_that_is_attaching() -> None:
    kept = KeptMessages()
    relay = Relay("c", kept, Tally())  # type: ignore[arg-type]
    begun, attaching = _listener(), _listener()
    relay.listeners |= {begun, attaching}
    relay.stand()
    for number in (1, 2):
        kept.messages.append(_message(number))
    relay.hear(kept.messages[0])
    earlier = relay.standing
    relay.lapse()
    relay.stand()
    # One reads where it stands, and waits for its row; the other begins, and what it missed is
    # fetched, while the next message arrives.
    read_while, read_at = relay.standing, relay.newest
    assert read_at is not None
    relay.begin(begun, Position("e", 1), run_id=_RUN, standing=earlier)
    await asyncio.sleep(0)
    relay.hear(kept.messages[1])
    kept.gate.set()
    assert await _heard(begun) == [2]

    relay.begin(attaching, read_at.position, run_id=_RUN, standing=read_while)

    heard = await _heard(attaching)
    kept.messages.append(_message(3))
    relay.hear(kept.messages[2])
    while heard[-1] != 3:
        heard += await _heard(attaching)
    assert heard == [2, 3]
    await relay.close()
