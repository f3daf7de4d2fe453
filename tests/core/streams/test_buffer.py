from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

from ticketgen.progress_messages import ProgressMessage
from ticketgen.streams.buffer import Buffer
from ticketgen.streams.parcels import Parcel, parcel_of

ONE, OTHER = uuid4(), uuid4()


def _parcel(
    number: int,
    run_id: UUID = ONE,
    kind: Literal["progress", "completed"] = "progress",
    stage: str | None = None,
) -> Parcel:
    return parcel_of(
        ProgressMessage(
            type=kind,
            session_id=None,
            task_id=run_id,
            task_type="lab",
            timestamp=datetime.now(UTC),
            epoch="e",
            sequence=number,
            user_message=stage,
        )
    )


def _numbers(buffer: Buffer) -> list[int | None]:
    return [parcel.message.sequence for parcel in buffer.take()]


def test_a_burst_is_kept_whole() -> None:
    buffer = Buffer()

    assert all(buffer.put(_parcel(number)) for number in range(1, 65))

    assert _numbers(buffer) == list(range(1, 65))
    assert buffer.coalesced == 0
    assert buffer.take() == []


def test_of_a_slow_client_s_runs_the_newest_progress_is_kept_and_every_ending() -> None:
    buffer = Buffer()
    ending, other = _parcel(1, kind="completed"), _parcel(2, OTHER)
    buffer.put(ending)
    buffer.put(other)

    kept = [buffer.put(_parcel(number)) for number in range(3, 200)]

    numbers = _numbers(buffer)
    assert all(kept)
    assert numbers[:2] == [1, 2]
    assert numbers[-1] == 199
    assert len(numbers) <= 64
    assert buffer.coalesced == 199 - len(numbers)


def test_large_messages_are_coalesced_earlier() -> None:
    buffer = Buffer()

    for number in range(1, 100):
        assert buffer.put(_parcel(number, stage="x" * 16_000))

    parcels = buffer.take()
    assert sum(len(parcel.text) for parcel in parcels) <= 256 * 1024
    assert parcels[-1].message.sequence == 99


def test_more_runs_than_there_is_room_for_overflow() -> None:
    buffer = Buffer()

    kept = [buffer.put(_parcel(number, uuid4())) for number in range(1, 66)]

    assert kept == [True] * 64 + [False]


def test_endings_are_never_left_out_even_where_they_overflow() -> None:
    buffer = Buffer()

    kept = [buffer.put(_parcel(number, uuid4(), "completed")) for number in range(1, 66)]

    assert kept[-1] is False
    assert _numbers(buffer) == list(range(1, 66))
