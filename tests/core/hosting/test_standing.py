"""When a plugin is out of use, for how long, and what its hooks have to do with it."""

from __future__ import annotations

from datetime import timedelta

from ticketgen.conformance import Problem
from ticketgen.standing import HOOK_PAUSE, Standing

_START = Problem(phase="start", message="ValueError: no", remedy="Mend it.")
_HOOK = Problem(phase="hook", message="ValueError: no", remedy="Mend it.")


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, time: timedelta) -> None:
        self.now += time.total_seconds()


def _fail(standing: Standing, times: int) -> None:
    for _ in range(times):
        standing.note_hook_failure("acme", _HOOK)


def test_the_third_failure_in_a_row_puts_a_plugin_out_of_use() -> None:
    standing = Standing()

    _fail(standing, 2)
    after_two = standing.problem_of("acme")
    _fail(standing, 1)

    assert after_two is None
    assert standing.problem_of("acme") is _HOOK
    assert standing.problem_of("zinc") is None
    assert standing.failing() == {}


def test_an_answer_in_between_begins_the_count_anew() -> None:
    standing = Standing()

    _fail(standing, 2)
    standing.note_hook_answer("acme")
    _fail(standing, 2)

    assert standing.problem_of("acme") is None


def test_after_the_pause_it_is_tried_again_and_one_failure_more_is_enough() -> None:
    clock = _Clock()
    standing = Standing(clock=clock)
    _fail(standing, 3)

    clock.pass_by(HOOK_PAUSE - timedelta(seconds=1))
    still_out = standing.problem_of("acme")
    clock.pass_by(timedelta(seconds=1))
    tried_again = standing.problem_of("acme")
    _fail(standing, 1)
    out_again = standing.problem_of("acme")
    clock.pass_by(HOOK_PAUSE)
    standing.note_hook_answer("acme")
    _fail(standing, 2)

    assert (still_out, tried_again, out_again) == (_HOOK, None, _HOOK)
    assert standing.problem_of("acme") is None


def test_a_plugin_the_host_must_not_run_without_is_noted_and_stays_in_use() -> None:
    standing = Standing(spared=frozenset({"acme"}))

    _fail(standing, 5)

    assert standing.problem_of("acme") is None
    assert standing.failing() == {"acme": 5}


def test_what_is_out_of_use_for_good_does_not_come_back_with_a_pause() -> None:
    clock = _Clock()
    standing = Standing(clock=clock)
    standing.put_out("acme", _START)

    standing.put_out("acme", _HOOK, lasting=timedelta(minutes=5))
    clock.pass_by(timedelta(days=1))

    assert standing.problem_of("acme") is _START
