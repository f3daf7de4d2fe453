"""What a client has not taken yet: bounded, since progress is coalesced when the client is slow."""

from __future__ import annotations

from uuid import UUID

from ticketgen.streams.parcels import Parcel

__all__ = ["Buffer"]

_ROOM = 64
"""Messages that wait for a client; so many may come in a burst without one being left out."""

_ROOM_CHARACTERS = 256 * 1024


class Buffer:
    """Keeps every message while there is room, then only the newest progress of each run.

    A terminal message is never left out.
    """

    __slots__ = ("_parcels", "_size", "coalesced")

    def __init__(self) -> None:
        self._parcels: list[Parcel] = []
        self._size = 0
        self.coalesced = 0
        """Messages left out so far."""

    def put(self, parcel: Parcel) -> bool:
        """Add a message; False if there is no room even after what may be left out is."""
        self._parcels.append(parcel)
        self._size += len(parcel.text)
        if self._is_full():
            self._coalesce()
            return not self._is_full()
        return True

    def take(self) -> list[Parcel]:
        """Everything that waits, in order; it is the caller's then."""
        taken, self._parcels, self._size = self._parcels, [], 0
        return taken

    def _is_full(self) -> bool:
        return len(self._parcels) > _ROOM or self._size > _ROOM_CHARACTERS

    def _coalesce(self) -> None:
        newest: set[UUID | None] = set()
        kept: list[Parcel] = []
        for parcel in reversed(self._parcels):
            if not parcel.is_terminal:
                if parcel.task_id in newest:
                    continue
                newest.add(parcel.task_id)
            kept.append(parcel)
        self.coalesced += len(self._parcels) - len(kept)
        self._parcels = kept[::-1]
        self._size = sum(len(parcel.text) for parcel in kept)
