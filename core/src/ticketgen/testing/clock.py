"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """The time of a `MemoryHost`: `TaskContext.now`, the waits before retries, fire times."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise ValueError(f"{start!r} has no time zone; give one, like datetime(…, tzinfo=UTC)")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """What it shows, in UTC."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move it forward, and give what it shows then.

        Raises:
            ValueError: the duration is negative; time does not go back.
        """
        if by < timedelta(0):
            raise ValueError(f"the clock cannot be put back by {-by}")
        self._now += by
        return self._now
