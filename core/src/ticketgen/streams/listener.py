"""One client's ear: what it is to be told, from the moment it registers until it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.watched_runs import Standing
from ticketgen.errors import TemporaryError
from ticketgen.streams.buffer import Buffer
from ticketgen.streams.parcels import Parcel
from ticketgen.streams.positions import Position
from ticketgen.streams.tally import Tally
from ticketgen.streams.topics import Topic

__all__ = ["Changed", "ClientLeft", "Lapsed", "Listener", "Notice", "RestartError", "SlowError"]


class SlowError(TemporaryError):
    """The client does not keep up, or takes nothing any more; it comes back and resumes."""

    code = "slow_client"


class RestartError(TemporaryError):
    """The process ends; the client comes back at once, to whichever process answers."""

    code = "restarting"


class ClientLeft(Exception):  # noqa: N818 - nothing is wrong
    """The client has gone; nobody is to be told anything."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The row of the run has changed without a message that says so; None: it is gone."""

    run: TaskRun | None


@dataclass(frozen=True, slots=True)
class Lapsed:
    """What the client missed is not kept any more: it has to be told where the run stands anew."""


Notice = Changed | Lapsed


class Listener:
    """Takes what a relay hands out and what the watch of rows finds, for one client.

    Until `begin` says where the client's snapshot stands, everything is held; what the snapshot
    covers is dropped then, and so is every later duplicate.
    """

    def __init__(self, topic: Topic, tally: Tally, *, now: float) -> None:
        self.topic = topic
        self.run_id: UUID | None = None
        """Whose messages are for it; None: of the first run that will be."""
        self.position: Position | None = None
        self.has_begun = False
        self.seen: Standing | None = None
        """How the client believes that the run stands."""
        self.heard_at = now
        """When the run was last heard of: while it talks, nobody has to look at its row."""
        self.sending_since: float | None = None
        """Since when the client is being sent something."""
        self.interrupt: Callable[[], object] | None = None
        """Breaks off a sending that hangs; set by whoever sends."""
        self._tally = tally
        self._buffer = Buffer()
        self._notices: list[Notice] = []
        self._failure: Exception | None = None
        self._wake = asyncio.Event()

    def begin(self, position: Position | None, *, run_id: UUID | None) -> None:
        """Let through what came after the position, also of what was held."""
        self.position, self.run_id, self.has_begun = position, run_id, True
        held = self._buffer.take()
        for parcel in held:
            self.offer(parcel, self.heard_at)

    def offer(self, parcel: Parcel, now: float) -> None:
        """Take a message, unless the client has it already or it is about another run."""
        if self.has_begun:
            position, mine = parcel.position, self.position
            if position is not None:
                if mine is not None and mine.covers(position):
                    return
                self.position = position
            if self.run_id is not None and not parcel.is_of(self.run_id):
                return
            self.heard_at = now
        before = self._buffer.coalesced
        if not self._buffer.put(parcel):
            self.fail(SlowError("The client did not keep up.", recovery_actions=["Come back."]))
        self._tally.coalesced += self._buffer.coalesced - before
        self._wake.set()

    def notify(self, notice: Notice) -> None:
        """Take what is no message."""
        if isinstance(notice, Lapsed):
            # What is heard from now on is held until the client knows anew where it stands.
            self._buffer.take()
            self.has_begun = False
        self._notices.append(notice)
        self._wake.set()

    def fail(self, failure: Exception) -> None:
        """End it; the first reason counts."""
        if self._failure is not None:
            return
        self._failure = failure
        if isinstance(failure, SlowError):
            self._tally.overflows += 1
        self._wake.set()
        if self.sending_since is not None and self.interrupt is not None:
            self.interrupt()

    @property
    def failure(self) -> Exception | None:
        """Why it has ended, if it has."""
        return self._failure

    async def received(self) -> tuple[list[Parcel], list[Notice]]:
        """What has come since, messages first; waits until there is something.

        Raises:
            SlowError, RestartError, ClientLeft: it has ended, and why.
        """
        while True:
            if self._failure is not None:
                raise self._failure
            parcels = self._buffer.take() if self.has_begun else []
            notices, self._notices = self._notices, []
            if parcels or notices:
                return parcels, notices
            self._wake.clear()
            await self._wake.wait()
