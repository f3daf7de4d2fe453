from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ticketgen.background import end_tasks
from ticketgen.grouping import Grouping


class Doubling:
    """Doubles numbers, remembers the groups in which they came, and waits for a word if told to."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def work(self, numbers: Sequence[int]) -> list[int]:
        self.groups.append(list(numbers))
        self.begun.set()
        await self.go_on.wait()
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


async def test_those_who_ask_at_the_same_time_share_one_call_and_get_their_own_answers() -> None:
    doubling = Doubling()
    grouping = Grouping(doubling.work)

    answers = await asyncio.gather(*(grouping.ask(number) for number in range(10)))

    assert answers == [2 * number for number in range(10)]
    assert doubling.groups == [list(range(10))]


async def test_a_lone_one_waits_for_nobody_and_who_comes_during_a_call_shares_the_next() -> None:
    doubling = Doubling()
    doubling.go_on.clear()
    grouping = Grouping(doubling.work)
    asking = [asyncio.create_task(grouping.ask(1))]
    await doubling.begun.wait()
    asking += [asyncio.create_task(grouping.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    doubling.go_on.set()

    answers = await asyncio.gather(*asking)

    assert answers == [2, 4, 6]
    assert doubling.groups == [[1], [2, 3]]


async def test_no_call_gets_more_than_it_takes_at_once() -> None:
    doubling = Doubling()
    grouping = Grouping(doubling.work, most=4)

    await asyncio.gather(*(grouping.ask(number) for number in range(10)))

    assert [len(group) for group in doubling.groups] == [4, 4, 2]


async def test_an_error_is_everybody_s_who_shared_the_call_and_nobody_s_after_it() -> None:
    grouping = Grouping(Doubling().work)

    answers = await asyncio.gather(
        *(grouping.ask(number) for number in (1, 13)), return_exceptions=True
    )

    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert await grouping.ask(4) == 8


async def test_one_who_goes_away_takes_nobody_with_him() -> None:
    doubling = Doubling()
    doubling.go_on.clear()
    grouping = Grouping(doubling.work)
    leaving, staying = (asyncio.create_task(grouping.ask(number)) for number in (1, 2))
    await doubling.begun.wait()
    leaving.cancel()
    await asyncio.sleep(0)
    doubling.go_on.set()

    assert await staying == 4
    assert leaving.cancelled()


async def test_ending_it_lets_nobody_wait_for_ever() -> None:
    doubling = Doubling()
    doubling.go_on.clear()
    grouping = Grouping(doubling.work)
    first = asyncio.create_task(grouping.ask(1))
    await doubling.begun.wait()
    second = asyncio.create_task(grouping.ask(2))
    await asyncio.sleep(0)
    assert grouping.task is not None

    await end_tasks(grouping.task)

    for waiting in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await waiting
    doubling.go_on.set()
    assert await grouping.ask(3) == 6


async def test_where_nobody_waits_calls_are_gathered() -> None:
    doubling = Doubling()
    grouping = Grouping(doubling.work, after=0.05)

    for number in range(5):
        _ = grouping.put(number)
        await asyncio.sleep(0.001)
    assert grouping.task is not None
    await grouping.task

    assert doubling.groups == [[0, 1, 2, 3, 4]]
