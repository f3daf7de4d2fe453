"""What one client has got of one stream, and whether that is all it had to get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["Record"]

_TERMINAL = frozenset({"completed", "error", "cancelled"})


@dataclass(kw_only=True)
class Record:
    """The ledger of a client over all its connections to a stream."""

    COUNTS: ClassVar = (
        "messages",
        "duplicates",
        "missing",
        "missing_at_attach",
        "snapshots",
        "resyncs",
        "endings",
        "from_row",
    )

    epoch: str | None = None
    sequence: int | None = None
    """Of the newest message that was got or, by a snapshot, told of."""
    messages: int = 0
    """Without snapshots and resyncs."""
    duplicates: int = 0
    missing: int = 0
    """Numbers passed over while a connection stood: coalesced by the server, or lost."""
    missing_at_attach: int = 0
    """Numbers passed over between a snapshot and what came next: nothing explains them."""
    snapshots: int = 0
    resyncs: int = 0
    endings: int = 0
    from_row: int = 0
    """Endings without a number: made anew from the row, since their message was lost."""
    _fresh: bool = False
    """Whether nothing has come since the snapshot."""
    _excused: bool = False
    """Whether a `resync` has said that messages are gone."""

    @property
    def position(self) -> str | None:
        """What to come back with."""
        return None if self.epoch is None else f"{self.epoch}-{self.sequence}"

    @property
    def has_ended(self) -> bool:
        """Whether the terminal message has come."""
        return self.endings > 0

    def take(self, message: Mapping[str, Any]) -> None:
        """Note one message."""
        kind = message["type"]
        if kind == "resync":
            self.resyncs += 1
            self._excused = True
        elif kind == "snapshot":
            self._take_snapshot(message.get("epoch"), message.get("sequence"))
        else:
            self._take_news(message, terminal=kind in _TERMINAL)

    def _take_snapshot(self, epoch: str | None, sequence: int | None) -> None:
        self.snapshots += 1
        known = epoch is not None and epoch == self.epoch and self.sequence is not None
        if known and sequence is not None and sequence > (self.sequence or 0) and not self._excused:
            # What a client that knows where it was is owed comes one by one, or after a resync.
            self.missing_at_attach += sequence - (self.sequence or 0)
        self._fresh, self._excused = True, False
        if epoch is not None:
            self.epoch, self.sequence = epoch, sequence

    def _take_news(self, message: Mapping[str, Any], *, terminal: bool) -> None:
        self.messages += 1
        epoch, sequence = message.get("epoch"), message.get("sequence")
        if terminal:
            self.duplicates += self.endings > 0
            self.endings += 1
        if epoch is None or sequence is None:
            self.from_row += terminal
            return
        if epoch == self.epoch or self.epoch is None:
            # A stream of which nothing was known when we came begins with 1.
            self._count_gap(sequence - (self.sequence or 0) - 1, terminal=terminal)
        self.epoch, self.sequence, self._fresh = epoch, sequence, False

    def _count_gap(self, gap: int, *, terminal: bool) -> None:
        if gap < 0 and not terminal:  # an ending may be told of by a snapshot before
            self.duplicates += 1
        elif gap > 0 and self._fresh:
            self.missing_at_attach += gap
        elif gap > 0:
            self.missing += gap
