"""Many streams of messages as one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import aclosing

from ticketgen.background import end_tasks
from ticketgen.client.streaming import Messages
from ticketgen.progress_messages import ProgressMessage

__all__ = ["merged"]

_HELD = 100
"""Messages that wait for the reader; then the streams wait."""


async def merged(generators: Iterable[Messages]) -> Messages:
    """The messages of all as they come; the first error of one ends all."""
    queue: asyncio.Queue[ProgressMessage | Exception | None] = asyncio.Queue(_HELD)

    async def drain(generator: Messages) -> None:
        try:
            async with aclosing(generator):
                async for message in generator:
                    await queue.put(message)
        except Exception as error:
            await queue.put(error)
        else:
            await queue.put(None)

    tasks = [asyncio.create_task(drain(generator)) for generator in generators]
    try:
        left = len(tasks)
        while left:
            found = await queue.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        await end_tasks(*tasks)
