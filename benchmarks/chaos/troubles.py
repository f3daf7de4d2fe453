"""What is done to a running system: each trouble is one coroutine, drawn from a seeded deck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from benchmarks.chaos.fleet import Fleet, Post
from benchmarks.chaos.journal import Journal, Outage, now
from benchmarks.chaos.shape import Shape
from ticketgen.delivering import deliveries_of
from ticketgen.domain.task_runs import TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import TemporaryError
from ticketgen.runtime import Runtime

__all__ = ["Deck", "Troubles"]

Deck = dict[str, tuple[int, Callable[[], Awaitable[bool]]]]
"""By name: how many of a trouble are in the deck, and how it is made; it says whether it was."""

_log = structlog.get_logger(__name__)

_AWAY = (DBAPIError, RedisError, TemporaryError, OSError, TimeoutError)
"""What our own connections meet while a server is away."""

_QUEUE = "arq:queue"


@dataclass(kw_only=True)
class Troubles:
    """Makes trouble until told to stop; then everything is whole again."""

    shape: Shape
    servers: EmbeddedServers
    fleet: Fleet
    runtime: Runtime
    journal: Journal
    randomness: random.Random
    is_over: Callable[[], bool] = lambda: False
    """Whether there is nothing left to make trouble for."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    """Servers are started and stopped one after the other; their absences may overlap all the
    same, since each trouble holds it for a moment only."""
    _away: set[str] = field(default_factory=set, init=False)

    async def make(self) -> None:
        """Begin one trouble after another, for as long as the campaign lasts."""
        end = asyncio.get_running_loop().time() + self.shape.seconds
        under_way: set[asyncio.Task[None]] = set()
        deck: list[str] = []
        while asyncio.get_running_loop().time() < end and not self.is_over():
            deck = deck or self._shuffled()
            name = deck.pop()
            task = asyncio.create_task(self._one(name))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(self.shape.pause.drawn(self.randomness))
        await asyncio.gather(*under_way)

    def deck(self) -> Deck:
        """Every trouble there is."""
        return {
            "worker killed": (4, self._kill),
            "worker told to stop": (2, self._tell_to_stop),
            "worker frozen": (3, self._freeze),
            "redis killed, its data lost": (1, self._redis_lost),
            "redis killed, and back": (1, self._redis_back),
            "postgres killed": (1, self._postgres),
            "deliveries doubled": (2, self._double),
            "deliveries lost": (2, self._lose),
        }

    def _shuffled(self) -> list[str]:
        deck = [name for name, (number, _) in self.deck().items() for _ in range(number)]
        self.randomness.shuffle(deck)
        return deck

    async def _one(self, name: str) -> None:
        try:
            if await self.deck()[name][1]():
                self.journal.troubles[name] += 1
        except _AWAY as error:
            _log.info("trouble_prevented", trouble=name, error=str(error))

    def victim(self) -> Post | None:
        """A worker that is up, if there is one."""
        up = [post for post in self.fleet.posts if post.is_up]
        return self.randomness.choice(up) if up else None

    async def _kill(self) -> bool:
        post = self.victim()
        if post is not None:
            self.fleet.kill(post)
        return post is not None

    async def _tell_to_stop(self) -> bool:
        post = self.victim()
        if post is not None:
            self.fleet.tell_to_stop(post)
        return post is not None

    async def _freeze(self) -> bool:
        post = self.victim()
        if post is not None:
            await self.fleet.freeze(post, self.shape.freeze.drawn(self.randomness))
        return post is not None

    async def _redis_lost(self) -> bool:
        return await self._outage(
            "redis", self.servers.kill_redis, lambda: self.servers.start_redis(wipe=True)
        )

    async def _redis_back(self) -> bool:
        return await self._outage("redis", self.servers.kill_redis, self.servers.start_redis)

    async def _postgres(self) -> bool:
        return await self._outage(
            "postgres", self.servers.kill_postgres, self.servers.start_postgres
        )

    async def _outage(
        self, server: str, stop: Callable[[], None], start: Callable[[], None]
    ) -> bool:
        if server in self._away:
            return False
        self._away.add(server)
        began: datetime = now()
        async with self._lock:
            await asyncio.to_thread(stop)
        try:
            await asyncio.sleep(self.shape.outage.drawn(self.randomness))
        finally:
            async with self._lock:
                await asyncio.to_thread(start)
            self._away.discard(server)
        self.journal.outages.append(Outage(server=server, at=began, until=now()))
        return True

    async def _double(self) -> bool:
        """Push runs once more, whatever their state: some wait, some run, some are long over."""
        async with self.runtime.session_factory() as db:
            runs = list(await db.scalars(select(TaskRun).order_by(func.random()).limit(20)))
        again = [
            replace(delivery, delivery=delivery.delivery + self.randomness.randint(0, 1))
            for delivery in deliveries_of(runs, self.runtime.registry)
        ]
        await self.runtime.queue.push(*again)
        return bool(again)

    async def _lose(self) -> bool:
        """Take half of what waits out of the queue."""
        redis = self.runtime.redis
        waiting: list[bytes] = await redis.zrange(_QUEUE, 0, -1)
        lost = [job for job in waiting if self.randomness.random() < 0.5]
        for job in lost:
            await redis.zrem(_QUEUE, job)
            await redis.delete(b"arq:job:" + job)
        return bool(lost)
