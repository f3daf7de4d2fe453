"""How long a client goes on trying, and how long it waits in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from secrets import SystemRandom

from ticketgen.client.errors import ApiUnreachableError, ForeignAnswerError
from ticketgen.client.models import Pace

__all__ = ["Delays", "Endurance", "LostError", "RefusedError"]

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


class Delays:
    """How long to wait before each try: longer and longer, and never as long as everybody else."""

    def __init__(self, pace: Pace, *, uniform: Callable[[float, float], float] = _uniform) -> None:
        self._first = pace.first_delay.total_seconds()
        self._longest = pace.longest_delay.total_seconds()
        self._uniform = uniform
        self._tries = 0

    def recovered(self) -> None:
        """What was lost before is forgotten."""
        self._tries = 0

    def after(self, loss: LostError) -> float:
        """Seconds to wait now."""
        tries, self._tries = self._tries, self._tries + 1
        if loss.at_once and tries == 0:
            return self._uniform(0, self._first)  # at once, but not all thousand together
        delay = min(self._longest, self._first * 2 ** min(tries, _MOST_DOUBLINGS))
        return max(self._uniform(delay / 2, delay), loss.retry_after)


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
        self._delays = Delays(pace)
        self._steady = pace.longest_delay.total_seconds()
        self._patience = patience
        self._tell = lost
        self._lost_at: float | None = None
        self._back_at: float | None = None

    def heard(self, *, news: bool) -> None:
        """The API has answered; if with news, it is as if nothing had been lost.

        A server that says where the run stands and breaks off, again and again, is not asked
        without pause.
        """
        self._lost_at = None
        if news:
            self._delays.recovered()
        elif self._back_at is None:
            self._back_at = asyncio.get_running_loop().time()

    async def bear(self, loss: LostError) -> None:
        """Wait before the next try.

        Raises:
            ApiUnreachableError: there was no answer for as long as the patience lasts.
        """
        now = asyncio.get_running_loop().time()
        if self._back_at is not None and now - self._back_at >= self._steady:
            self._delays.recovered()
        self._back_at = None
        if self._lost_at is None:
            self._lost_at = now
        delay = self._delays.after(loss)
        if self._patience is not None:
            left = self._lost_at + self._patience.total_seconds() - now
            if left <= 0:
                raise self._exhausted(loss)
            delay = min(delay, left)
        if self._tell is not None:
            self._tell(loss.why)
        await asyncio.sleep(delay)

    def _exhausted(self, loss: LostError) -> ApiUnreachableError:
        if loss.foreign:
            return ForeignAnswerError(
                loss.why,
                recovery_actions=["Check the address: a proxy may answer in the API's place."],
            )
        said = f"The API at {self._place} cannot be reached: "
        return ApiUnreachableError(
            f"{said}{loss.why.removeprefix(said)}",
            recovery_actions=["See whether the API runs, and whether the network leads to it."],
        )
