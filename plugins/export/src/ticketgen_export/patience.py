"""How long an export waits by itself, before its run is put off, where another system is busy."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ticketgen.errors import TemporaryError

__all__ = ["Patience"]

ResultT = TypeVar("ResultT")

_FIRST = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Patience:
    """For so long the same call is tried again, with pauses that grow or that are asked for."""

    whole: timedelta
    """Over all tries of one call."""
    longest_pause: timedelta
    """A longer one that is asked for puts the run off."""

    async def over(
        self,
        work: Callable[[], Awaitable[ResultT]],
        *,
        told: Callable[[TemporaryError], Awaitable[None]],
    ) -> ResultT:
        """What `work` gives; `told` hears of each try in vain, before the pause.

        Raises:
            TemporaryError: the last one, when patience is at its end.
        """
        import stamina  # only who has to wait needs it

        async for attempt in stamina.retry_context(
            on=self._pause,
            # No patience is one try; a limit of no seconds is warned of.
            attempts=None if self.whole else 1,
            timeout=self.whole or None,
            wait_initial=_FIRST,
            wait_max=self.longest_pause,
            wait_jitter=_FIRST,
        ):
            with attempt:
                try:
                    return await work()
                except TemporaryError as error:
                    await told(error)
                    raise
        raise AssertionError("a context of tries ends by a result or an error")

    def _pause(self, error: Exception) -> bool | float:
        """Seconds that were asked for, True for ours, False where the run is to be put off."""
        if not isinstance(error, TemporaryError):
            return False
        if error.retry_after is None:
            return True
        asked = error.retry_after.total_seconds()
        if asked > self.longest_pause.total_seconds():
            return False
        # Never earlier than asked, and not with everybody else in the same moment.
        return asked * random.uniform(1.0, 1.1) + 0.05  # noqa: S311
