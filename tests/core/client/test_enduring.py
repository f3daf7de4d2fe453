from __future__ import annotations

from ticketgen.client import Pace
from ticketgen.client.enduring import Delays, LostError

_LOST = LostError("the connection is lost")
_RESTART = LostError("The server restarts.", at_once=True)


def test_delays_double_up_to_the_longest_and_begin_again_after_a_recovery() -> None:
    delays = Delays(Pace(), uniform=lambda _, most: most)

    waited = [delays.after(_LOST) for _ in range(8)]
    delays.recovered()

    assert waited == [0.25, 0.5, 1, 2, 4, 8, 10, 10]
    assert delays.after(_LOST) == 0.25


def test_nobody_waits_as_long_as_everybody_else_nor_hardly_at_all() -> None:
    least = Delays(Pace(), uniform=lambda least, _: least)
    truly = Delays(Pace())

    assert [least.after(_LOST) for _ in range(3)] == [0.125, 0.25, 0.5]
    assert len({truly.after(_LOST) for _ in range(20)}) == 20


def test_a_restart_is_followed_at_once_but_only_the_first_time() -> None:
    delays = Delays(Pace(), uniform=lambda least, _: least)

    assert [delays.after(_RESTART), delays.after(_RESTART)] == [0, 0.25]


def test_who_wants_to_be_left_alone_is() -> None:
    delays = Delays(Pace())

    assert delays.after(LostError("Too many.", retry_after=30.0)) == 30.0


def test_a_loss_for_the_thousandth_time_is_still_borne() -> None:
    delays = Delays(Pace(), uniform=lambda _, most: most)

    assert {delays.after(_LOST) for _ in range(1_000)} == {0.25, 0.5, 1, 2, 4, 8, 10}
