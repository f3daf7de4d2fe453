"""What a process loads at its start is not looked through for garbage, then or later."""

from __future__ import annotations

import gc

import pytest

from ticketgen.collecting import uncollected


def test_nothing_is_collected_while_a_process_loads() -> None:
    with uncollected():
        enabled = gc.isenabled()

    assert not enabled
    assert gc.isenabled()


def test_what_was_loaded_stays_out_of_sight() -> None:
    before = gc.get_freeze_count()
    with uncollected():
        kept = [[] for _ in range(1000)]  # type: ignore[var-annotated]

    assert gc.get_freeze_count() >= before + len(kept)


def test_a_load_that_fails_leaves_the_collector_at_work() -> None:
    with pytest.raises(RuntimeError, match="no ink"), uncollected():
        raise RuntimeError("no ink")

    assert gc.isenabled()


def test_whoever_collects_by_himself_goes_on_doing_so() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        enabled = gc.isenabled()
    finally:
        gc.enable()

    assert not enabled
