"""What a plugin's coroutine does stays with it: raising, hanging, holding the event loop."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.core import lab
from ticketgen.isolation import LateError, Watched, in_own_task, in_time


async def test_only_what_a_coroutine_does_itself_counts_as_holding_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0

    def work_for(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def blocking() -> str:
        work_for(1)
        await asyncio.sleep(0)
        work_for(7)
        await asyncio.sleep(0)
        work_for(2)
        return "blocking"

    async def blocked_by_another() -> str:
        asyncio.get_running_loop().call_soon(work_for, 30)
        await asyncio.sleep(0)
        return "blocked"

    async def raising() -> str:
        work_for(4)
        raise LookupError("nothing here")

    monkeypatch.setattr("ticketgen.isolation.time", SimpleNamespace(monotonic=lambda: now))
    watched = [Watched(work) for work in (blocking, blocked_by_another, raising)]

    answers = [await work for work in watched[:2]]
    with pytest.raises(LookupError, match="nothing here"):
        await watched[2]

    assert answers == ["blocking", "blocked"]
    assert [work.held for work in watched] == [7, 0, 4]


async def test_a_watched_coroutine_hears_of_its_cancellation_and_may_clean_up() -> None:
    cleaned = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.set()

    with pytest.raises(LateError):
        async with in_time(0.01):
            await Watched(wait)

    assert cleaned.is_set()


async def test_a_timeout_of_its_own_making_is_not_taken_for_being_late() -> None:
    async def impatient() -> None:
        raise TimeoutError("the other machine is slow")

    with pytest.raises(TimeoutError, match="the other machine is slow") as in_time_of_ours:
        async with in_time(3600):
            await impatient()

    assert not isinstance(in_time_of_ours.value, LateError)


async def test_work_that_will_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.isolation.UNWIND_SECONDS", 0.05)
    enough = asyncio.Event()
    left_behind: set[asyncio.Task[Any]] = set()

    async def stubborn() -> None:
        while not enough.is_set():
            try:
                await enough.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(LateError):
        await in_own_task(stubborn(), limit=0.01, left_behind=left_behind)
    left = len(left_behind)
    enough.set()

    async def gone() -> bool:
        return not left_behind

    await lab.until(gone)
    assert left == 1


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), LookupError("x")])
async def test_whatever_work_raises_is_raised_where_it_is_waited_for(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await in_own_task(fail(), limit=60, left_behind=set())

    assert raised.value is error
