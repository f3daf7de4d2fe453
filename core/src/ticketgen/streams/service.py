"""Everything of one process that streams progress to clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from ticketgen.background import end_tasks
from ticketgen.database import SessionFactory
from ticketgen.streams.following import Following
from ticketgen.streams.hub import Hub
from ticketgen.streams.kept import KeptReader
from ticketgen.streams.listener import RestartError
from ticketgen.streams.positions import Position
from ticketgen.streams.rows import RowReader
from ticketgen.streams.tally import Tally
from ticketgen.streams.topics import Topic
from ticketgen.streams.watch import Watch

__all__ = ["Streams"]

_log = structlog.get_logger(__name__)


class Streams:
    """Lets clients follow topics, with one subscription and one watch of rows for all of them."""

    def __init__(self, redis: Redis, session_factory: SessionFactory) -> None:
        self.tally = Tally()
        self._kept = KeptReader(redis)
        self._rows = RowReader(session_factory)
        self.hub = Hub(redis, self._kept, self.tally)
        self._watch = Watch(session_factory, self.hub.listeners)
        self.stopping = asyncio.Event()
        """Set when the process ends: whoever follows is sent away, and nobody is let in."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Streams]:
        """Listen and watch until the block ends."""
        watching = asyncio.create_task(self._watch.run(), name="watch-of-runs")
        try:
            async with self.hub.running():
                yield self
        finally:
            self.stop()
            await end_tasks(watching)
            await self._kept.close()
            await self._rows.close()

    @asynccontextmanager
    async def follow(
        self, topic: Topic, *, after: Position | None = None
    ) -> AsyncIterator[Following]:
        """Follow a topic until the block ends.

        Raises:
            RestartError: the process is ending.
        """
        if self.stopping.is_set():
            raise _restart()
        async with self.hub.listen(topic) as (listener, relay):
            yield Following(
                listener, relay, rows=self._rows, kept=self._kept, tally=self.tally, after=after
            )

    def stop(self) -> None:
        """Send everybody away, to come back to whichever process answers then."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        clients = list(self.hub.listeners())
        _log.info("streams_stopping", clients=len(clients))
        for listener in clients:
            listener.fail(_restart())


def _restart() -> RestartError:
    return RestartError("The server restarts.", recovery_actions=["Come back at once."])
