"""Lets one run be alone in its process: others end first, and none begins beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["Solitude"]


class Solitude:
    """Who works beside whom; for the coroutines of one event loop."""

    def __init__(self) -> None:
        self._beside = 0
        self._wanted = 0
        self._is_alone = False
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody is alone, or waits for the others to end."""
        return self._wanted > 0

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        """Be one of many; waits as long as somebody is, or is waiting to be, alone."""
        await self._until(lambda: not self._wanted)
        self._beside += 1
        try:
            yield
        finally:
            self._beside -= 1
            self._tell()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one; waits until all others have ended, and keeps new ones from beginning."""
        self._wanted += 1
        try:
            await self._until(lambda: not self._beside and not self._is_alone)
            self._is_alone = True
            try:
                yield
            finally:
                self._is_alone = False
        finally:
            self._wanted -= 1
            self._tell()

    async def _until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
