from __future__ import annotations

import asyncio

from ticketgen.background import end_tasks


async def test_a_task_that_lost_its_first_cancellation_is_asked_again() -> None:
    asked = 0

    async def deaf_once() -> None:
        nonlocal asked
        while True:
            try:
                await asyncio.sleep(1_000)
            except asyncio.CancelledError:
                asked += 1
                if asked > 1:
                    raise

    task = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)

    [result] = await end_tasks(task)

    assert asked == 2
    assert isinstance(result, asyncio.CancelledError)


async def test_results_and_exceptions_come_back_in_order() -> None:
    async def fail() -> None:
        raise ValueError("wrong")

    async def succeed() -> int:
        return 1

    tasks = [asyncio.create_task(fail()), asyncio.create_task(succeed())]
    await asyncio.wait(tasks)

    failed, succeeded = await end_tasks(*tasks)

    assert isinstance(failed, ValueError)
    assert succeeded == 1
