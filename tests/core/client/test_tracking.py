from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from ticketgen.client.tracking import Track
from ticketgen.progress_messages import ProgressMessage

_RUN = uuid4()


def _message(kind: str, epoch: str | None = None, sequence: int | None = None) -> ProgressMessage:
    return _of(_RUN, type=kind, epoch=epoch, sequence=sequence)


def _of(run: UUID | None, **also: Any) -> ProgressMessage:
    return ProgressMessage(
        session_id=None,
        task_id=run,
        task_type="processing",
        timestamp=datetime(2026, 11, 29, tzinfo=UTC),
        **also,
    )


def test_a_track_begins_where_it_was_told_to() -> None:
    assert Track().position is None
    assert Track(after="e1-7").position == "e1-7"


def test_numbers_that_were_seen_are_old_and_gaps_are_not() -> None:
    track = Track()

    news = [track.take(_message("progress", "e1", number)) for number in (1, 1, 4, 3, 5)]

    assert news == [True, False, True, False, True]
    assert track.position == "e1-5"


def test_another_epoch_counts_anew_and_the_one_before_is_over() -> None:
    track = Track()
    track.take(_message("progress", "e1", 9))

    assert track.take(_message("progress", "e2", 1))
    assert not track.take(_message("progress", "e1", 10))
    assert track.position == "e2-1"


def test_a_snapshot_is_always_news_and_says_from_where_to_go_on() -> None:
    track = Track()
    track.take(_message("progress", "e1", 9))

    assert track.take(_message("snapshot", "e1", 9))
    assert track.take(_message("snapshot", "e2", 4))
    assert not track.take(_message("progress", "e2", 4))
    assert track.take(_message("snapshot"))
    assert track.position == "e2-4"


def test_a_resync_moves_nothing() -> None:
    track = Track(after="e1-3")

    assert track.take(_message("resync", "e9", 9))
    assert track.position == "e1-3"


def test_an_ending_is_news_whatever_its_number() -> None:
    track = Track()
    track.take(_message("snapshot", "e1", 9))

    assert track.take(_message("completed", "e1", 9))
    assert track.take(_message("completed"))


def test_the_first_run_that_is_heard_of_is_the_one() -> None:
    track = Track()

    assert track.take(_of(None, type="snapshot"))
    assert track.take(_of(_RUN, type="progress", epoch="e1", sequence=1))
    assert not track.take(_of(uuid4(), type="completed", epoch="e1", sequence=2))
    assert track.run_id == _RUN
    assert track.position == "e1-1"
