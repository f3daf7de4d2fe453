"""What one client is sent: where the run stands, what it missed, what comes, and the ending.

The order matters: listen first, then look at the row, then at what is kept, and only then let
through what was heard meanwhile. So nothing falls between status and subscription, nothing comes
twice, and the ending always comes: by its message, by what is kept, or from the row.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.watched_runs import Standing
from ticketgen.progress import terminal_message
from ticketgen.progress_messages import ProgressMessage
from ticketgen.streams.kept import Kept, KeptReader
from ticketgen.streams.listener import Changed, Lapsed, Listener, Notice
from ticketgen.streams.parcels import Parcel, parcel_of
from ticketgen.streams.positions import BEGINNING, Position
from ticketgen.streams.relay import Relay
from ticketgen.streams.rows import GoneError, RowReader
from ticketgen.streams.tally import Tally

__all__ = ["Following"]


class Following:
    """One client of one topic, from its snapshot to its ending."""

    def __init__(
        self,
        listener: Listener,
        relay: Relay,
        *,
        rows: RowReader,
        kept: KeptReader,
        tally: Tally,
        after: Position | None,
    ) -> None:
        self.listener = listener
        self.knew_the_ending = False
        """Whether the client came with the position of the ending itself: it has seen it all."""
        self._relay = relay
        self._topic = listener.topic
        self._rows = rows
        self._kept = kept
        self._tally = tally
        self._after = after
        self._run: TaskRun | None = None
        self._has_attached = False
        self._has_ended = False

    async def take(self) -> list[Parcel]:
        """What is to be sent next; empty when the ending has been given.

        Raises:
            GoneError: the session, or the run, was deleted.
            SlowError, RestartError, ClientLeft: see `Listener.received`.
            DBAPIError, OSError: the database is away while the client attaches.
        """
        listener = self.listener
        listener.sending_since = None
        parcels: list[Parcel] = []
        while not parcels and not self._has_ended:
            if self._has_attached:
                parcels = await self._more()
            else:
                parcels = await self._attach(self._after)
                self._has_attached = True
        if parcels:
            self._tally.sent += len(parcels)
            listener.sending_since = time.monotonic()
        return parcels

    async def _attach(self, after: Position | None) -> list[Parcel]:
        """Snapshot and replay; with an ending, if there is one already."""
        if self.listener.failure is not None:
            raise self.listener.failure
        standing = self._relay.standing
        run = self._run or await self._rows.find(self._topic)
        kept = await self._look_at_kept(after)
        run = await self._run_meant(run, kept)
        if run is not None and run.is_active and _ending_in(kept, run) is not None:
            run = await self._rows.find_run(run.id) or run  # it has settled meanwhile
        self._run = run
        parcels, position = self._opening(kept, after)
        if run is not None and not run.is_active and not self._has_ended:
            parcels.append(self._ending_of(run, kept))
            self._has_ended = True
        if run is not None:
            self.listener.seen = Standing(state=run.state, parked=run.parked)
            self.knew_the_ending = not run.is_active and _is_at_the_end(after, kept, run)
        self._relay.begin(
            self.listener, position, run_id=run.id if run else None, standing=standing
        )
        return parcels

    async def _look_at_kept(self, after: Position | None) -> Kept | None:
        if after is None and (newest := self._relay.newest) is not None:
            return Kept(newest=newest)
        return await self._kept.read(self._relay.channel, after)

    async def _run_meant(self, run: TaskRun | None, kept: Kept | None) -> TaskRun | None:
        """The newest run; or the one the client followed, where a newer one began meanwhile.

        A client that comes back with a position in a run whose ending it has missed gets that.
        """
        if kept is None or self._run is not None:
            return run
        if run is None:
            # It may have begun between the look at the row and the one at what is kept.
            return await self._rows.find(self._topic) if kept.newest is not None else None
        at = kept.at
        if at is None or at.is_terminal or at.is_of(run.id) or at.task_id is None:
            return run
        missed = any(p.is_terminal and p.task_id == at.task_id for p in kept.entries)
        return (await self._rows.find_run(at.task_id) or run) if missed else run

    def _opening(
        self, kept: Kept | None, after: Position | None
    ) -> tuple[list[Parcel], Position | None]:
        """Resync, snapshot and replay, and the position up to which they tell everything."""
        newest = kept.newest if kept else None
        must_begin_anew = kept is not None and kept.has_lapsed
        parcels = [self._resync()] if after is not None and must_begin_anew else []
        if after is not None and not must_begin_anew:
            parcels.append(self._snapshot(newest, after))
            parcels += self._own(list(kept.entries) if kept else [])
            last = kept.entries[-1].position if kept and kept.entries else after
            return parcels, last
        position = newest.position if newest else None
        if position is not None and self._run is not None and _ending_in(kept, self._run) is newest:
            # The ending comes after the snapshot: whoever leaves in between is to come back for it.
            position = Position(position.epoch, position.sequence - 1)
        parcels.append(self._snapshot(newest, position))
        return parcels, BEGINNING if kept is not None and newest is None else position

    def _own(self, entries: list[Parcel]) -> list[Parcel]:
        """What of the entries is about the run, up to its ending."""
        run, own = self._run, list[Parcel]()
        for parcel in entries:
            if run is not None and parcel.is_of(run.id):
                own.append(parcel)
                if parcel.is_terminal:
                    self._has_ended = True
                    break
        return own

    def _snapshot(self, newest: Parcel | None, position: Position | None) -> Parcel:
        message = self._topic.snapshot(self._run, newest.message if newest else None)
        known = None if position == BEGINNING else position
        return parcel_of(
            message.model_copy(
                update={
                    "epoch": known.epoch if known else None,
                    "sequence": known.sequence if known else None,
                }
            )
        )

    def _resync(self) -> Parcel:
        self._tally.resyncs += 1
        topic, run = self._topic, self._run
        message = ProgressMessage(
            type="resync",
            session_id=topic.session_id,
            task_id=run.id if run else None,
            task_type=topic.task_type,
            timestamp=datetime.now(UTC),
            status=run.status if run else "not_started",
            user_message="Messages that you have missed are no longer kept; a snapshot follows.",
        )
        return parcel_of(message)

    async def _more(self) -> list[Parcel]:
        parcels, notices = await self.listener.received()
        if self._run is None and parcels:
            await self._adopt()
        taken = self._own(parcels)
        for notice in notices:
            if not self._has_ended:
                taken += await self._heed(notice)
        return taken

    async def _adopt(self) -> None:
        """Follow the first run of the session, now that it is heard of."""
        self._run = run = await self._rows.find(self._topic)
        if run is not None:
            self.listener.run_id = run.id
            self.listener.seen = Standing(state=run.state, parked=run.parked)

    async def _heed(self, notice: Notice) -> list[Parcel]:
        if isinstance(notice, Lapsed):
            if self._run is not None:
                self._run = await self._rows.find_run(self._run.id)
                if self._run is None:
                    raise GoneError("The run was deleted.", recovery_actions=["See GET /api/runs."])
            return [self._resync(), *await self._attach(None)]
        return await self._heed_row(notice)

    async def _heed_row(self, notice: Changed) -> list[Parcel]:
        run = notice.run
        if run is None:
            raise GoneError(
                "The session, or the run, was deleted.", recovery_actions=["See GET /api/runs."]
            )
        is_first = self._run is None
        self._run, self.listener.run_id = run, run.id
        if run.is_active:
            if is_first and run.parked is None:
                return []
            kept = await self._look_at_kept(None)
            return [self._snapshot(kept.newest if kept else None, self.listener.position)]
        return await self._missed_ending(run)

    async def _missed_ending(self, run: TaskRun) -> list[Parcel]:
        """The ending of a run whose message has not come: as it is kept, or from the row."""
        position = self.listener.position
        kept = await self._kept.read(self._relay.channel, position)
        missed = self._own(list(kept.entries)) if kept else []
        if not self._has_ended:
            missed = [self._ending_of(run, kept)]
            self._has_ended = True
        return missed

    def _ending_of(self, run: TaskRun, kept: Kept | None) -> Parcel:
        """The ending of a settled run: as published where that is at hand, else from its row.

        Made from the row it has no position. For a client of server-sent events it bears the run's
        id instead, so that the client is not given it again and again.
        """
        published = _ending_in(kept, run)
        if published is not None:
            return published
        return parcel_of(terminal_message(run), event_id=str(Position(run.id.hex, run.attempt)))


def _ending_in(kept: Kept | None, run: TaskRun) -> Parcel | None:
    for parcel in (kept.newest, kept.at) if kept else ():
        if parcel is not None and parcel.is_terminal and parcel.task_id == run.id:
            return parcel
    return None


def _is_at_the_end(after: Position | None, kept: Kept | None, run: TaskRun) -> bool:
    if after is None:
        return False
    at = kept.at if kept else None
    is_published_one = at is not None and at.is_terminal and at.task_id == run.id
    return is_published_one or after.epoch == run.id.hex
