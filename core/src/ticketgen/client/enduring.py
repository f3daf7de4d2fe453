"""How long a client goes on trying, and how long it waits in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from secrets import SystemRandom

from ticketgen.client.errors import ApiUnreachableError, ForeignAnswerError
from ticketgen.client.models import Pace

__all__ = ["Endurance", "LostError", "RefusedError"]

_uniform = SystemRandom().uniform

_MOST_DOUBLINGS = 16


class LostError(Exception):
    """A connection is lost, or was not made; it may be another time."""

    def __init__(
        self,
        why: str,
        *,
        at_once: bool = False,
        suspect: bool = False,
        foreign: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.at_once = at_once
        """The API restarts and wants its clients back."""
        self.suspect = suspect
        """Something was there, and said nothing the API would say: the way may be the trouble."""
        self.foreign = foreign
        """Something was there that is not the API."""
        self.retry_after = retry_after
        """Seconds that the API wants to be left alone."""


class RefusedError(Exception):
    """A stream cannot be had in this way, here; another way may do."""


class Endurance:
    """Waits between tries, longer each time, until the patience is at an end."""

    def __init__(
        self,
        *,
        place: str,
        pace: Pace,
        patience: timedelta | None,
        lost: Callable[[str], None] | None = None,
    ) -> None:
        self._place = place
        self._pace = pace
        self._patience = patience
        self._tell = lost
        self._tries = 0
        self._since: float | None = None

    def heard(self) -> None:
        """The API has answered: what was lost before is forgotten."""
        self._tries = 0
        self._since = None

    async def bear(self, loss: LostError) -> None:
        """Wait before the next try.

        Raises:
            ApiUnreachableError: there was no answer for as long as the patience lasts.
        """
        now = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = now
        delay = self._delay(loss)
        if self._patience is not None:
            left = self._since + self._patience.total_seconds() - now
            if left <= 0:
                raise self._exhausted(loss)
            delay = min(delay, left)
        if self._tell is not None:
            self._tell(loss.why)
        await asyncio.sleep(delay)

    def _delay(self, loss: LostError) -> float:
        first = self._pace.first_delay.total_seconds()
        if loss.at_once and self._tries == 0:
            self._tries = 1
            return _uniform(0, first)  # at once, but not all thousand in the same moment
        longest = self._pace.longest_delay.total_seconds()
        delay = min(longest, first * 2 ** min(self._tries, _MOST_DOUBLINGS))
        self._tries += 1
        return max(_uniform(delay / 2, delay), loss.retry_after)

    def _exhausted(self, loss: LostError) -> ApiUnreachableError:
        kind = ForeignAnswerError if loss.foreign else ApiUnreachableError
        return kind(
            f"The API at {self._place} cannot be reached: {loss.why}",
            recovery_actions=["See whether the API runs, and whether the network leads to it."],
        )
