from __future__ import annotations

import pytest

from ticketgen.errors import InvalidInputError
from ticketgen.streams.positions import Position, read_position


def test_a_position_is_read_as_it_is_written() -> None:
    position = Position("9f3c21aa", 17)

    assert read_position(str(position)) == position
    assert str(position) == "9f3c21aa-17"


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_position_is_none(nothing: str | None) -> None:
    assert read_position(nothing) is None


@pytest.mark.parametrize(
    "written", ["17", "-17", "a-", "a-b", "a--1", "a-1 ", "a-1\n", "ä-1", "a-" + "1" * 19, "x" * 99]
)
def test_what_is_no_position_is_refused_with_what_to_do(written: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        read_position(written)

    assert "{epoch}-{sequence}" in refusal.value.recovery_actions[0]


def test_a_position_covers_what_is_not_after_it_in_its_own_epoch() -> None:
    position = Position("a", 3)

    assert position.covers(Position("a", 3))
    assert not position.covers(Position("a", 4))
    assert not position.covers(Position("b", 1))
