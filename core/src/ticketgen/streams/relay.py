"""Hands the messages of one channel to all its clients here, in order and without a hole.

While the subscription stands, every message comes by it. When it stood again after it had lapsed,
or a number is missing, what was missed is read from what is kept before anything newer is handed
out. Whoever cannot be given all of it is told so.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

from ticketgen.background import end_tasks
from ticketgen.streams.kept import Kept, KeptReader
from ticketgen.streams.listener import Lapsed, Listener
from ticketgen.streams.parcels import Parcel
from ticketgen.streams.positions import Position
from ticketgen.streams.tally import Tally

__all__ = ["Relay"]

_MOST_HELD = 1_000
"""Messages that wait while what was missed is read; what is more is kept in Redis, and read."""

_AGAIN_SECONDS = 0.5


class Relay:
    """One channel, as this process hears it."""

    def __init__(self, channel: str, kept: KeptReader, tally: Tally) -> None:
        self.channel = channel
        self.listeners: set[Listener] = set()
        self.subscribed = asyncio.Event()
        """Set while Redis has confirmed the subscription, and it has not lapsed since."""
        self._kept = kept
        self._tally = tally
        self._newest: Parcel | None = None
        self._last: Position | None = None
        self._stood = 0
        self._held: list[Parcel] | None = None
        self._must_read = False
        self._catching_up: asyncio.Task[None] | None = None

    @property
    def newest(self) -> Parcel | None:
        """The newest message, if it is certain that there is none newer."""
        is_certain = self.subscribed.is_set() and self._held is None
        return self._newest if is_certain else None

    def stand(self) -> None:
        """The subscription stands: fetch what was published while it did not."""
        if self.subscribed.is_set():
            return
        self.subscribed.set()
        self._stood += 1
        if any(listener.has_begun for listener in self.listeners):
            self._catch_up()

    @property
    def standing(self) -> int | None:
        """Which stretch without a gap this is, counted from 1; None while messages are missed."""
        return self._stood if self.subscribed.is_set() else None

    def begin(
        self,
        listener: Listener,
        position: Position | None,
        *,
        run_id: UUID | None,
        standing: int | None,
    ) -> None:
        """Let a client's messages through from a position that was read while `standing` stood.

        If it stands no longer, what came in between is fetched.
        """
        listener.begin(position, run_id=run_id)
        if self.subscribed.is_set() and self._stood != standing:
            self._catch_up()

    def lapse(self) -> None:
        """The subscription is gone; messages may be missed from now on."""
        self.subscribed.clear()

    def hear(self, parcel: Parcel) -> None:
        """Hand out a message, or hold it while what came before it is being read."""
        if self._held is None and not self._is_gap(parcel):
            self._hand_out(parcel)
            return
        if self._held is None:
            self._tally.gaps += 1
            self._catch_up()
        assert self._held is not None  # noqa: S101 - narrows the type for the checker
        if len(self._held) < _MOST_HELD:
            self._held.append(parcel)
        else:
            self._held.clear()
            self._must_read = True

    async def close(self) -> None:
        """Read nothing any more."""
        if self._catching_up is not None:
            await end_tasks(self._catching_up)

    def _is_gap(self, parcel: Parcel) -> bool:
        position, last = parcel.position, self._last
        if position is None or last is None:
            return False
        if position.epoch != last.epoch:
            return position.sequence != 1
        return position.sequence > last.sequence + 1

    def _hand_out(self, parcel: Parcel) -> None:
        position = parcel.position
        if position is not None:
            if self._last is not None and self._last.covers(position):
                return
            self._last, self._newest = position, parcel
        now = time.monotonic()
        for listener in self.listeners:
            listener.offer(parcel, now)

    def _catch_up(self) -> None:
        self._must_read = True
        if self._held is None:
            self._held = []
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.create_task(
                self._fetch_missed(), name=f"catching-up-{self.channel}"
            )

    async def _fetch_missed(self) -> None:
        while self._must_read:
            self._must_read = False
            positions = {listener.position for listener in self.listeners if listener.has_begun}
            if self._last is not None:
                positions.add(self._last)
            order = list(positions)
            found = dict(zip(order, await asyncio.gather(*map(self._read, order)), strict=True))
            for listener in self.listeners:
                if listener.has_begun and listener.position in found:
                    self._make_good(listener, found[listener.position])
            self._note(found)
        # Whoever is reading its position now was given nothing of this: it fetches at its `begin`,
        # as if the subscription had lapsed.
        self._stood += 1
        held, self._held = self._held or [], None
        for parcel in held:
            self._hand_out(parcel)

    async def _read(self, position: Position | None) -> Kept:
        while self.listeners:
            kept = await self._kept.read(self.channel, position)
            if kept is not None:
                return kept
            await asyncio.sleep(_AGAIN_SECONDS)
        return Kept()

    def _make_good(self, listener: Listener, kept: Kept) -> None:
        """Give a client what it has missed; where its position is unknown, the newest will do."""
        now = time.monotonic()
        if listener.position is None:
            if kept.newest is not None:
                listener.offer(kept.newest, now)
            return
        if kept.has_lapsed and kept.newest is not None:
            listener.notify(Lapsed())
            return
        for parcel in kept.entries:
            listener.offer(parcel, now)

    def _note(self, found: dict[Position | None, Kept]) -> None:
        for kept in found.values():
            newest = kept.newest
            if newest is None or newest.position is None:
                continue
            if self._last is None or not self._last.covers(newest.position):
                self._last, self._newest = newest.position, newest
