"""How many requests a second are let through, and the headers that say so."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["RateLimit"]

_NEAR = 0.2
"""Below this share of requests left, an answer says that the limit is near."""


class RateLimit:
    """Counts the requests of the last second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[float] = deque()

    def admit(self, most: int | None) -> float | None:
        """None lets the request through; else the seconds after which it may come again."""
        if most is None:
            return None
        now = self._clock()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= most:
            return self._recent[0] + 1 - now
        self._recent.append(now)
        return None

    def headers(self, most: int | None, wait: float | None = None) -> dict[str, str]:
        """What an answer says of the limit; `wait` where it was exceeded."""
        if most is None and wait is None:
            return {}
        limit = most or 1
        left = 0 if wait is not None else max(0, limit - len(self._recent))
        headers = {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": str(left)}
        if left < limit * _NEAR or wait is not None:
            headers["X-RateLimit-NearLimit"] = "true"
        if wait is not None:
            seconds = max(1, math.ceil(wait))
            reset = datetime.now(UTC) + timedelta(seconds=seconds)
            headers["Retry-After"] = str(seconds)
            headers["X-RateLimit-Reset"] = reset.strftime("%Y-%m-%dT%H:%MZ")
            headers["RateLimit-Reason"] = "jira-burst-based"
        return headers
