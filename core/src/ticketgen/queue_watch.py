"""Hears that a queue has changed, whoever changed it: the server itself says so.

Redis tells a client that caches a key when the key is no longer what it was (`CLIENT TRACKING`).
Nothing is cached here; the telling is the wake-up. So no producer has to publish anything, a job
that somebody else's code enqueues wakes a worker too, and an idle worker asks for nothing. One
connection does it, in broadcasting mode and redirected to itself, which needs no protocol newer
than that of Redis 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError, ResponseError

from ticketgen.background import end_tasks
from ticketgen.queue import BoundedConnection

__all__ = ["QueueWatch"]

_log = structlog.get_logger(__name__)

_INVALIDATIONS = "__redis__:invalidate"

_PING_SECONDS = 10.0
"""Silence after which the connection is asked whether it still stands."""

_ANSWER_SECONDS = 3.0
_RETRY_SECONDS = (0.05, 2.0)
"""First and longest pause before a lost connection is made again."""

_REFUSED_SECONDS = 60.0
"""Before a server that cannot do it (too old, or not allowed to us) is asked again."""


class QueueWatch:
    """Listens for changes of one queue while `running()` is open."""

    def __init__(self, pool: ConnectionPool, queue_name: str) -> None:
        self._pool = pool
        self._queue_name = queue_name
        self.changed = asyncio.Event()
        """Set at every change, and when hearing begins or ends; whoever looks clears it first."""
        self.is_hearing = False
        """Whether a change would be heard: else whoever waits for one has to look by itself."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[QueueWatch]:
        """Listen while the block runs; a connection that is lost is made again."""
        task = asyncio.create_task(self._supervise(), name="queue-watch")
        try:
            yield self
        finally:
            await end_tasks(task)

    async def _supervise(self) -> None:
        delay, longest = _RETRY_SECONDS
        while True:
            connection: BoundedConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await self._listen(connection)
            except ResponseError as error:
                _log.warning("queue_changes_refused", error=str(error))
                delay = _REFUSED_SECONDS
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("queue_changes_not_heard", error=str(error))
                delay = _RETRY_SECONDS[0] if self.is_hearing else min(delay * 2, longest)
            finally:
                self.is_hearing = False
                self.changed.set()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(delay)

    async def _listen(self, connection: BoundedConnection) -> None:
        await connection.connect()  # type: ignore[no-untyped-call]
        own_id = await _answer(connection, "CLIENT", "ID")
        await _answer(
            connection,
            *("CLIENT", "TRACKING", "ON", "REDIRECT", own_id, "BCAST", "PREFIX", self._queue_name),
        )
        await _answer(connection, "SUBSCRIBE", _INVALIDATIONS)
        self.is_hearing = True
        self.changed.set()  # what came before was not heard
        while True:
            try:
                async with asyncio.timeout(_PING_SECONDS):
                    await connection.wait_for_bytes()
            except TimeoutError:
                # redis-py's own health check does not know how a subscriber is answered.
                await connection.send_command("PING", check_health=False)
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await connection.wait_for_bytes()
            self.changed.set()


async def _answer(connection: BoundedConnection, *command: str | int) -> int:
    await connection.send_command(*command)
    answer: int = await connection.read_response()
    return answer
