"""The runs in this process's hands: the runner takes and drops them, other threads look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from ticketgen.domain.task_runs import TaskRun
from ticketgen.outcomes import Outcome

__all__ = ["Hands", "HeldRun", "StopReason"]


class StopReason(StrEnum):
    """Why a handler is told to stop."""

    CANCEL = "cancel"
    """Somebody asked for the end of the run."""
    LEASE_LOST = "lease_lost"
    """The run was taken away, or the lease could not be renewed: it may be, any moment."""


class HeldRun:
    """One attempt at work here, which may be told to stop from any thread."""

    def __init__(self, run: TaskRun, *, claimed_at: float, time_limit: timedelta) -> None:
        self.run = run
        self.renewed_at = claimed_at
        """By `time.monotonic()`: the lease is good from here on for its whole length."""
        self.taken_at = time.monotonic()
        self.deadline = self.taken_at + time_limit.total_seconds()
        """By `time.monotonic()`: the runner stops the handler then, if the loop lets it."""
        self.confirmed = False
        """Whether the claim is known to be committed: before that a lease not found is no loss."""
        self._loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[StopReason] = self._loop.create_future()
        """Done, with the reason, when the handler is to stop."""
        self.outcome: Outcome | None = None
        """What the handler came to; from then on only the settling is left."""
        self.unstored: Mapping[str, Any] | None = None
        """The last progress of the handler, if its row does not have it yet."""
        self.is_asked = False
        """Whether it was told to; a blocked loop may not have heard it yet."""

    @property
    def key(self) -> tuple[UUID, int]:
        """Run id and attempt."""
        return self.run.id, self.run.attempt

    def ask_to_stop(self, reason: StopReason) -> None:
        """Tell the handler to stop; the first reason counts. Safe in any thread."""
        self.is_asked = True
        try:
            self._loop.call_soon_threadsafe(self._stop, reason)
        except RuntimeError:  # the loop has been closed: nothing runs any more
            return

    def _stop(self, reason: StopReason) -> None:
        if not self.stopped.done():
            self.stopped.set_result(reason)


class Hands:
    """What one worker process holds."""

    def __init__(self) -> None:
        self._held: dict[tuple[UUID, int], HeldRun] = {}

    def take(self, held: HeldRun) -> None:
        """Begin to hold an attempt."""
        self._held[held.key] = held

    def drop(self, held: HeldRun) -> None:
        """Hold it no more."""
        self._held.pop(held.key, None)

    def __len__(self) -> int:
        return len(self._held)

    def all(self) -> tuple[HeldRun, ...]:
        """What is held at this moment; safe in any thread."""
        return tuple(self._held.copy().values())
