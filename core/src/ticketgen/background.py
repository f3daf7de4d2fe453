"""Ends coroutines that run beside others, and does not take one cancellation for enough."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["end_tasks"]

_ASK_AGAIN_SECONDS = 0.5


async def end_tasks(*tasks: asyncio.Task[Any]) -> list[Any]:
    """Cancel the tasks and come back when all have ended, with what each returned or raised.

    A single cancellation can get lost: until Python 3.12 `asyncio.wait_for`, on which asyncpg
    builds, drops one that arrives in the moment in which what it waits for ends
    (python/cpython#86296). A loop that missed it would go on, and whoever waits for its end
    would wait for ever; so those that live on are asked again.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_ASK_AGAIN_SECONDS)
    return await asyncio.gather(*tasks, return_exceptions=True)
