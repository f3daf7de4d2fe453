"""Whether the event loop of another thread still answers, and what that thread is doing if not."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback

__all__ = ["Pulse", "stack_of"]


class Pulse:
    """Asks a loop of another thread to answer, and knows for how long it has not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asked_at: float | None = None
        self._last_lag = 0.0

    def lag(self) -> float:
        """Seconds: how long the open question waits, or how late the last answer came."""
        asked_at = self._asked_at  # read once: the other thread may answer in between
        if asked_at is not None:
            return time.monotonic() - asked_at
        lag, self._asked_at = self._last_lag, time.monotonic()
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed: the process ends
            self._asked_at = None
        return lag

    def _answer(self) -> None:
        asked_at, self._asked_at = self._asked_at, None
        self._last_lag = 0.0 if asked_at is None else time.monotonic() - asked_at


def stack_of(thread_id: int | None) -> str:
    """Where a thread is at this moment, the last calls of it."""
    frame = sys._current_frames().get(thread_id or 0)
    return "".join(traceback.format_stack(frame)[-12:]) if frame else ""
