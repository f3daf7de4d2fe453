"""Listens to progress for every browser of this process over one Redis connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ticketgen.background import end_tasks
from ticketgen.progress import ProgressMessage

__all__ = ["ProgressHub"]

_log = structlog.get_logger(__name__)

_LISTENER_BUFFER = 256
_SUBSCRIBE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 2.0


class ProgressHub:
    """Every subscription of this process over one Redis connection, which heals by itself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[str, set[asyncio.Queue[ProgressMessage]]] = {}
        self._changed = asyncio.Event()
        self._subscribed: dict[str, asyncio.Event] = {}
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        """Whether messages arrive at present."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ProgressHub]:
        """Keep listening until the block ends."""
        self._task = asyncio.create_task(self._supervise(), name="progress-hub")
        try:
            yield self
        finally:
            await end_tasks(self._task)

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[asyncio.Queue[ProgressMessage]]:
        """A queue of the channel's messages, from before this block begins until it ends.

        Waits a moment for the subscription to stand; with Redis away it goes on without, and
        messages come as soon as Redis is back. A listener that does not keep up loses the
        oldest progress, never an ending.
        """
        queue: asyncio.Queue[ProgressMessage] = asyncio.Queue(_LISTENER_BUFFER)
        self._listeners.setdefault(channel, set()).add(queue)
        ready = self._subscribed.setdefault(channel, asyncio.Event())
        self._changed.set()
        try:
            try:
                async with asyncio.timeout(_SUBSCRIBE_SECONDS):
                    await ready.wait()
            except TimeoutError:
                _log.warning("progress_not_subscribed", channel=channel)
            yield queue
        finally:
            listeners = self._listeners[channel]
            listeners.discard(queue)
            if not listeners:
                del self._listeners[channel]
                self._changed.set()

    @property
    def listener_count(self) -> int:
        """How many listeners there are now."""
        return sum(len(listeners) for listeners in self._listeners.values())

    async def _supervise(self) -> None:
        delay = _FIRST_RETRY_SECONDS
        while True:
            try:
                await self._pump()
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("progress_hub_disconnected", error=str(error))
            except Exception:
                _log.exception("progress_hub_failed")
            if self.connected:
                delay = _FIRST_RETRY_SECONDS
            self.connected = False
            for ready in self._subscribed.values():
                ready.clear()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_RETRY_SECONDS)

    async def _pump(self) -> None:
        """Subscribe to what is wanted and hand messages out, until the connection breaks."""
        async with self._redis.pubsub() as pubsub:
            current: set[str] = set()
            while True:
                # Cleared before the look, or a listener that comes while we subscribe is missed.
                self._changed.clear()
                wanted = set(self._listeners)
                for channel in self._subscribed.keys() - wanted:
                    del self._subscribed[channel]
                if wanted - current:
                    await pubsub.subscribe(*(wanted - current))
                if current - wanted:
                    await pubsub.unsubscribe(*(current - wanted))
                current = wanted
                if not current:
                    self.connected = True
                    await self._changed.wait()
                    continue
                await self._receive(pubsub)

    async def _receive(self, pubsub: Any) -> None:
        """Hand out messages until the set of channels changes."""
        while not self._changed.is_set():
            received = await pubsub.get_message(timeout=0.05)
            if received is None:
                continue
            self.connected = True
            channel = received["channel"].decode()
            if received["type"] == "subscribe":
                if channel in self._subscribed:
                    self._subscribed[channel].set()
            elif received["type"] == "message":
                self._hand_out(channel, received["data"])

    def _hand_out(self, channel: str, raw: bytes) -> None:
        try:
            message = ProgressMessage.model_validate_json(raw)
        except ValidationError:
            _log.warning("progress_unreadable", channel=channel)
            return
        for queue in self._listeners.get(channel, ()):
            if queue.full():
                _make_room(queue)
            queue.put_nowait(message)


def _make_room(queue: asyncio.Queue[ProgressMessage]) -> None:
    """Drop the oldest progress; only where there is none, the oldest ending."""
    kept = [queue.get_nowait() for _ in range(queue.qsize())]
    oldest = next((n for n, message in enumerate(kept) if not message.is_terminal), 0)
    del kept[oldest]
    for message in kept:
        queue.put_nowait(message)
