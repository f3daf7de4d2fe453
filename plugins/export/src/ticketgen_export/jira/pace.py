"""When the next call that writes may be sent: not faster than asked, slower where Jira is short."""

from __future__ import annotations

import asyncio
from datetime import timedelta

__all__ = ["Pace"]

_SLOWEST = 16.0
"""The interval grows up to so many times what was asked for."""
_EASE_AFTER = 20
"""So many good answers in a row halve what was added."""
_LEAST = 0.25
"""Seconds from which an interval of nothing begins to grow."""


class Pace:
    """The pace of all writing calls of one attempt at an export."""

    def __init__(self, interval: timedelta) -> None:
        self._asked = interval.total_seconds()
        self._factor = 1.0
        self._good = 0
        self._next = 0.0
        self._held_until = 0.0

    @property
    def interval(self) -> float:
        """Seconds between two calls, as they are now."""
        if self._factor == 1.0:
            return self._asked
        return max(self._asked, _LEAST) * self._factor

    async def turn(self) -> None:
        """Wait until the next call may be sent, and take that place."""
        clock = asyncio.get_running_loop().time
        now = clock()
        mine = max(now, self._next, self._held_until)
        self._next = mine + self.interval
        await asyncio.sleep(mine - now)
        if self._held_until > clock():
            # Meanwhile Jira has asked for a pause.
            await self.turn()

    def hold(self, seconds: float) -> None:
        """Let nobody have a turn for so long."""
        until = asyncio.get_running_loop().time() + seconds
        self._held_until = max(self._held_until, until)

    def was_refused(self) -> None:
        """A limit was used up: go half as fast from now on."""
        self._factor = min(_SLOWEST, self._factor * 2)
        self._good = 0

    def is_near_limit(self) -> None:
        """A limit is nearly used up: go somewhat slower."""
        self._factor = min(_SLOWEST, self._factor * 1.5)
        self._good = 0

    def was_answered(self) -> None:
        """All is well; after some time that means that we may go faster again."""
        self._good += 1
        if self._good >= _EASE_AFTER:
            self._factor = max(1.0, self._factor / 2)
            self._good = 0
