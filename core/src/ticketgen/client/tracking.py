"""Which messages of a stream are news, and from where it goes on after a loss."""

from __future__ import annotations

from uuid import UUID

from ticketgen.progress_messages import ProgressMessage

__all__ = ["Track"]


class Track:
    """What one watcher has seen of one stream."""

    def __init__(self, *, after: str | None = None, run_id: UUID | None = None) -> None:
        self.run_id = run_id
        """The run that is watched, once it is known."""
        self._asked_after = after
        self._epoch: str | None = None
        self._newest: dict[str, int] = {}

    @property
    def position(self) -> str | None:
        """Where to go on from: what comes after it has not been seen."""
        if self._epoch is None:
            return self._asked_after
        return f"{self._epoch}-{self._newest[self._epoch]}"

    def take(self, message: ProgressMessage) -> bool:
        """Whether a message is news to the watcher; it is seen from now on.

        A snapshot and a resync always are: they say where the watcher stands. So is the ending of
        the run, whatever its number: it may have been made anew from the run's row.
        """
        if message.task_id is not None:
            if self.run_id is None:
                self.run_id = message.task_id
            elif message.task_id != self.run_id:
                return False
        if message.type == "progress" and self._is_old(message):
            return False
        self._note(message)
        return True

    def _is_old(self, message: ProgressMessage) -> bool:
        if message.epoch is None or message.sequence is None:
            return False
        if message.epoch not in self._newest:
            return False
        # Who has left an epoch comes back to it by a snapshot only.
        return message.epoch != self._epoch or message.sequence <= self._newest[message.epoch]

    def _note(self, message: ProgressMessage) -> None:
        if message.epoch is None or message.sequence is None or message.type == "resync":
            return
        self._epoch = message.epoch
        self._newest[message.epoch] = max(message.sequence, self._newest.get(message.epoch, 0))
