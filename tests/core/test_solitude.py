from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from ticketgen.solitude import Solitude


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_are_beside_each_other() -> None:
    solitude = Solitude()

    async with solitude.beside_others(), solitude.beside_others():
        wanted = solitude.is_wanted

    assert not wanted


async def test_who_wants_to_be_alone_waits_for_the_others_and_keeps_new_ones_away() -> None:
    solitude, seen = Solitude(), list[str]()

    async def alone() -> None:
        async with solitude.alone():
            seen.append("alone")
            await _turns()
            seen.append("alone no more")

    async def beside() -> None:
        async with solitude.beside_others():
            seen.append("beside")

    async with solitude.beside_others():
        first = asyncio.create_task(alone())
        await _turns()
        second = asyncio.create_task(beside())
        await _turns()
        before, wanted = list(seen), solitude.is_wanted
    await asyncio.gather(first, second)

    assert (before, wanted) == ([], True)
    assert seen == ["alone", "alone no more", "beside"]
    assert not solitude.is_wanted


async def test_who_gives_up_waiting_to_be_alone_lets_the_others_in() -> None:
    solitude = Solitude()

    async def alone() -> None:
        async with solitude.alone():
            raise AssertionError("never alone")

    async with solitude.beside_others():
        waiting = asyncio.create_task(alone())
        await _turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(60), solitude.beside_others():
            wanted = solitude.is_wanted

    assert not wanted


async def test_who_fails_alone_or_beside_others_is_in_nobody_s_way() -> None:
    solitude = Solitude()

    for place in (solitude.alone, solitude.beside_others):
        with pytest.raises(ValueError, match="no"):
            async with place():
                raise ValueError("no")

    async with asyncio.timeout(60), solitude.alone():
        assert solitude.is_wanted


@pytest.mark.parametrize("seed", range(20))
async def test_nobody_is_ever_beside_one_who_is_alone_and_everybody_gets_a_turn(seed: int) -> None:
    randomness, solitude = random.Random(seed), Solitude()
    inside: Counter[str] = Counter()
    done = 0

    async def visit(kind: str, pause: int) -> None:
        nonlocal done
        for _ in range(pause):
            await asyncio.sleep(0)
        async with solitude.alone() if kind == "alone" else solitude.beside_others():
            inside[kind] += 1
            for _ in range(pause):
                assert inside["alone"] <= 1
                assert not (inside["alone"] and inside["beside"])
                await asyncio.sleep(0)
            inside[kind] -= 1
        done += 1

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(
                visit(randomness.choice(["alone", "beside", "beside"]), randomness.randrange(8))
                for _ in range(60)
            )
        )

    assert done == 60
    assert not solitude.is_wanted
