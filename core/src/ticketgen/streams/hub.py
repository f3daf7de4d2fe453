"""The channels that this process listens to, and who in it listens to each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
from redis.asyncio import Redis

from ticketgen.background import end_tasks
from ticketgen.streams.kept import KeptReader
from ticketgen.streams.listener import Listener
from ticketgen.streams.parcels import open_parcel
from ticketgen.streams.relay import Relay
from ticketgen.streams.subscription import Subscription
from ticketgen.streams.tally import Tally
from ticketgen.streams.topics import Topic

__all__ = ["Hub"]

_log = structlog.get_logger(__name__)

_SUBSCRIBE_SECONDS = 1.0


class Hub:
    """One relay for each channel with a client here, and one subscription for all of them."""

    def __init__(self, redis: Redis, kept: KeptReader, tally: Tally) -> None:
        self._kept = kept
        self._tally = tally
        self._relays: dict[str, Relay] = {}
        self._subscription = Subscription(redis, self, tally)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Hub]:
        """Keep listening until the block ends."""
        task = asyncio.create_task(self._subscription.run(), name="progress-subscription")
        try:
            yield self
        finally:
            await end_tasks(task)
            for relay in self._relays.values():
                await relay.close()

    @asynccontextmanager
    async def listen(self, topic: Topic) -> AsyncIterator[tuple[Listener, Relay]]:
        """A client's ear on its channel, from before this block begins until it ends.

        Waits a moment for the subscription to stand; with Redis away it goes on without, and what
        was missed is fetched when Redis is back.
        """
        channel = topic.channel
        relay = self._relays.get(channel)
        if relay is None:
            relay = self._relays[channel] = Relay(channel, self._kept, self._tally)
        listener = Listener(topic, self._tally, now=time.monotonic())
        relay.listeners.add(listener)
        try:
            if not relay.subscribed.is_set():
                self._subscription.reconsider()
                await self._wait_for(relay)
            yield listener, relay
        finally:
            relay.listeners.discard(listener)
            if not relay.listeners:
                self._subscription.reconsider()

    @property
    def listener_count(self) -> int:
        """How many clients there are now."""
        return sum(len(relay.listeners) for relay in self._relays.values())

    @property
    def channel_count(self) -> int:
        """How many channels they listen to."""
        return sum(bool(relay.listeners) for relay in self._relays.values())

    @property
    def trouble(self) -> str | None:
        """Why progress does not arrive at present; None if it does."""
        return self._subscription.trouble

    def listeners(self) -> Iterator[Listener]:
        """Every client."""
        for relay in self._relays.values():
            yield from relay.listeners

    def wanted(self) -> set[str]:
        """The channels with a client."""
        return {channel for channel, relay in self._relays.items() if relay.listeners}

    def stand(self, channel: str) -> None:
        """Redis has confirmed a channel."""
        relay = self._relays.get(channel)
        if relay is not None:
            relay.stand()

    def lapse(self) -> None:
        """No channel is heard for now."""
        for channel, relay in list(self._relays.items()):
            if relay.listeners:
                relay.lapse()
            else:
                del self._relays[channel]

    def keep(self, channels: set[str]) -> None:
        """Forget every other channel; whoever comes for one from now on subscribes anew."""
        for channel in self._relays.keys() - channels:
            del self._relays[channel]

    def hear(self, channel: str, raw: bytes) -> None:
        """Hand a message to the channel's clients."""
        relay = self._relays.get(channel)
        if relay is None:
            return
        parcel = open_parcel(raw)
        if parcel is None:
            _log.warning("progress_unreadable", channel=channel)
            return
        relay.hear(parcel)

    async def _wait_for(self, relay: Relay) -> None:
        try:
            async with asyncio.timeout(_SUBSCRIBE_SECONDS):
                await relay.subscribed.wait()
        except TimeoutError:
            _log.warning("progress_not_subscribed", channel=relay.channel)
