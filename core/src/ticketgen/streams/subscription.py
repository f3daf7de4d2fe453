"""Listens to channels over one Redis connection, which heals by itself and knows when it is deaf.

Every second something is published on a channel of this process's own. While it is heard, the
whole way through Redis works; when it has not been heard three times in a row, the connection is
given up and made anew, whatever the socket says of itself. A process that is merely late, because
its machine has too much to do, hears late as well, and is not deaf.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from ticketgen.background import end_tasks
from ticketgen.streams.tally import Tally

__all__ = ["Audience", "Subscription"]

_log = structlog.get_logger(__name__)

_TEST_SECONDS = 1.0
_DEAF_AFTER = 3
"""So many tests in a row unheard, and the connection is made anew."""

_LATE_SECONDS = 0.3
"""A test in which the process was later than that to look proves nothing."""

_UNREADY_SECONDS = 5.0
"""So long without hearing itself, and the process is not ready."""

_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 1.0

_TURN = 50
"""Messages handed out at a stretch before anything else gets its turn."""

_AT_ONCE = 500
"""Channels in one command."""


class Audience(Protocol):
    """Whom a subscription tells."""

    def wanted(self) -> set[str]:
        """The channels to listen to."""

    def stand(self, channel: str) -> None:
        """Redis has confirmed a channel: what is published from now on is heard."""

    def lapse(self) -> None:
        """The connection is gone, and with it every channel."""

    def keep(self, channels: set[str]) -> None:
        """Every other channel is being given up."""

    def hear(self, channel: str, raw: bytes) -> None:
        """A message has come."""


class DeafError(Exception):
    """Nothing is heard, though the connection claims to be well."""


class Subscription:
    """One connection of a process for all the channels that its audience wants."""

    def __init__(self, redis: Redis, audience: Audience, tally: Tally) -> None:
        self._redis = redis
        self._audience = audience
        self._tally = tally
        self._own = f"ticketgen:hearing:{secrets.token_hex(8)}"
        self._asked: set[str] = set()
        self._joining: Counter[str] = Counter()
        self._leaving: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._heard_at = time.monotonic()
        self._began_at = time.monotonic()

    def reconsider(self) -> None:
        """The audience wants other channels now."""
        self._changed.set()

    @property
    def silence(self) -> float:
        """Seconds since the process last heard itself through Redis."""
        return time.monotonic() - self._heard_at

    @property
    def trouble(self) -> str | None:
        """Why progress does not arrive at present; None if it does."""
        if self.silence < _UNREADY_SECONDS:
            return None
        return (
            f"This process has not heard itself through Redis for {self.silence:.0f} s: progress "
            "arrives late, though no ending is lost. It reconnects by itself; see Redis, and the "
            "log (`progress_disconnected`)."
        )

    async def run(self) -> None:
        """Listen until cancelled."""
        delay = _FIRST_RETRY_SECONDS
        while True:
            self._began_at = time.monotonic()
            try:
                await self._listen()
            except (DeafError, RedisError, OSError, TimeoutError) as error:
                _log.warning("progress_disconnected", error=f"{type(error).__name__}: {error}")
            except Exception:
                _log.exception("progress_failed")
            finally:
                self._audience.lapse()
            if self._heard_at > self._began_at:
                delay = _FIRST_RETRY_SECONDS
            self._tally.reconnects += 1
            await asyncio.sleep(delay * (0.5 + secrets.randbelow(512) / 1024))
            delay = min(delay * 2, _LAST_RETRY_SECONDS)

    async def _listen(self) -> None:
        self._asked, self._joining, self._leaving = set(), Counter(), Counter()
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._own)
            tasks = [
                asyncio.create_task(work, name=f"progress-{name}")
                for name, work in (
                    ("reader", self._read(pubsub)),
                    ("asker", self._ask(pubsub)),
                    ("self-test", self._test()),
                )
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                results = await end_tasks(*tasks)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _read(self, pubsub: PubSub) -> None:
        turn = 0
        while True:
            # With a time limit, since redis-py sends its own PING only when it is called anew.
            received = await pubsub.get_message(timeout=10)
            if received is not None:
                self._take(received)
            turn += 1
            if turn >= _TURN:
                turn = 0
                await asyncio.sleep(0)

    def _take(self, received: dict[str, Any]) -> None:
        kind, channel = received["type"], received["channel"]
        name = channel.decode() if isinstance(channel, bytes) else ""
        if kind == "message":
            if name == self._own:
                self._heard_at = time.monotonic()
            else:
                self._audience.hear(name, received["data"])
        elif kind == "subscribe" and name != self._own:
            self._note_joined(name)
        elif kind == "unsubscribe":
            self._note_left(name)

    def _note_joined(self, channel: str) -> None:
        """Redis has confirmed a channel; only the answer to the last time it was asked counts."""
        self._joining[channel] -= 1
        if not self._joining[channel] and channel in self._asked:
            self._audience.stand(channel)

    def _note_left(self, channel: str) -> None:
        """Redis has let go of a channel: at our word, or behind our back."""
        if self._leaving[channel]:
            self._leaving[channel] -= 1
            return
        raise DeafError(f"the subscription to {channel} was taken away")

    async def _ask(self, pubsub: PubSub) -> None:
        while True:
            # Cleared before the look, or a change that comes while we ask is missed.
            self._changed.clear()
            wanted = self._audience.wanted()
            new, old = list(wanted - self._asked), list(self._asked - wanted)
            self._audience.keep(wanted)
            self._asked = wanted
            self._joining.update(new)
            self._leaving.update(old)
            for start in range(0, len(new), _AT_ONCE):
                await pubsub.subscribe(*new[start : start + _AT_ONCE])
            for start in range(0, len(old), _AT_ONCE):
                await pubsub.unsubscribe(*old[start : start + _AT_ONCE])
            await self._changed.wait()

    async def _test(self) -> None:
        unheard = 0
        while unheard < _DEAF_AFTER:
            began_at = time.monotonic()
            try:
                async with asyncio.timeout(_TEST_SECONDS):
                    await self._redis.publish(self._own, b"1")
            except (RedisError, OSError, TimeoutError) as error:
                _log.debug("progress_self_test_unsent", error=str(error))
            sleeps_at = time.monotonic()
            await asyncio.sleep(_TEST_SECONDS)
            if self._heard_at >= began_at:
                unheard = 0
            elif time.monotonic() - sleeps_at < _TEST_SECONDS + _LATE_SECONDS:
                unheard += 1
        raise DeafError(f"nothing heard for {self.silence:.1f} s")
