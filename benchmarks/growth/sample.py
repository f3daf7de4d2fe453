"""What the questions are asked about: one of everything, whatever the size."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from benchmarks.growth.filling import Shape, id_of

__all__ = ["LIVE_TOKEN", "Sample"]

_STATES = 6
"""The states of active runs repeat after so many: see `filling`."""

LIVE_TOKEN = "tg_30"
"""Secret of a token that has not ended."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One of everything in a database of that shape."""

    shape: Shape

    @property
    def settled(self) -> UUID:
        """A run that has completed, of a session."""
        return id_of("run", self._settled_number)

    @property
    def running(self) -> UUID:
        """A run at its first attempt."""
        return self._active(4)

    @property
    def queued(self) -> UUID:
        """A run that is due."""
        return self._active(1)

    @property
    def parked(self) -> UUID:
        """A run that nobody offers."""
        return self._active(5)

    @property
    def session(self) -> UUID:
        """A session with everything a session can have."""
        return id_of("session", self._session_number)

    @property
    def owner(self) -> UUID:
        """Whom it belongs to."""
        return id_of("user", self._session_number % self.shape.users + 1)

    @property
    def sessions(self) -> list[UUID]:
        """A page of sessions."""
        numbers = range(self._session_number, self.shape.sessions + 1)[:30]
        return [id_of("session", number) for number in numbers]

    @property
    def ticket(self) -> UUID:
        """A ticket of the session that needs another one and is needed."""
        return id_of("ticket", self._first_ticket + 10 % self.shape.per_session)

    @property
    def other_ticket(self) -> UUID:
        """Another ticket of the session."""
        return id_of("ticket", self._first_ticket + 20 % self.shape.per_session)

    @property
    def verdict(self) -> UUID:
        """The newest verdict on the session, with a result for each ticket."""
        return id_of("validation", self._session_number * 2)

    @property
    def upload(self) -> UUID:
        """A file of the session."""
        return id_of("upload", self._session_number * 10)

    @property
    def lineage(self) -> UUID:
        """A run of the session that has exported files."""
        return id_of("run", (self._session_number - 1) * self.shape.per_session + 1)

    @property
    def worker(self) -> UUID:
        """A worker that holds runs: the one of `running`."""
        return id_of("other", int(self.running) % (1 << 48) % 4 + 1)

    @property
    def _session_number(self) -> int:
        # Not completed: one of five is not.
        return max(5, self.shape.sessions // 2 // 5 * 5 + 5)

    @property
    def _first_ticket(self) -> int:
        return (self._session_number - 1) * self.shape.per_session + 1

    @property
    def _settled_number(self) -> int:
        return (self._session_number - 1) * self.shape.per_session + 3

    def _active(self, turn: int) -> UUID:
        first = self.shape.rows - self.shape.active + 1
        number = first + (turn - first) % _STATES
        # Not one of a schedule.
        while number % 5 == 0:
            number += _STATES
        return id_of("run", number)
