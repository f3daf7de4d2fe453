"""When the next request may be sent: so many in a minute, and none while the server wants peace."""

from __future__ import annotations

import asyncio

__all__ = ["Pace"]


class Pace:
    """The pace of all requests of one generation to one server."""

    def __init__(self, *, per_minute: int | None = None) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._held_until = 0.0

    async def turn(self) -> None:
        """Wait until the next request may be sent."""
        clock = asyncio.get_running_loop().time
        now = clock()
        mine = max(now, self._held_until, self._next)
        self._next = mine + self._gap
        await asyncio.sleep(mine - now)
        if self._held_until > clock():
            # Meanwhile the server has asked somebody else to wait.
            await self.turn()

    def hold(self, seconds: float) -> None:
        """Let nobody have a turn for so long."""
        until = asyncio.get_running_loop().time() + seconds
        self._held_until = max(self._held_until, until)
