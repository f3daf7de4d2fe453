"""The composition root: settings, plugins, database and queue, built once at the process edge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.announcing import Announcer
from ticketgen.attached import attached_settings
from ticketgen.database import SessionFactory, create_engine, create_session_factory
from ticketgen.maintenance import Reconciler, repeating
from ticketgen.ports import Host, Role
from ticketgen.progress import Publisher
from ticketgen.queue import RunQueue, connect_redis
from ticketgen.registry import Registry, load_registry
from ticketgen.scheduler import Scheduler
from ticketgen.sealing import KeyRing
from ticketgen.settings import Settings
from ticketgen.settling import Settler
from ticketgen.starting import UnitOfWork, unit_of_work
from ticketgen.vault import Vault

__all__ = ["Runtime", "build_runtime", "open_runtime"]


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Everything a process works with; passed down, never looked up."""

    settings: Settings
    registry: Registry
    engine: AsyncEngine
    session_factory: SessionFactory
    queue: RunQueue
    redis: Redis
    """For progress and heartbeats; separate from the queue's connections."""
    publisher: Publisher
    opened_as: list[Role] = field(default_factory=list)
    """What kind of process its plugins are open in; empty while they are not."""
    states: dict[str, Any] = field(default_factory=dict)
    """What the plugins' lifespans have yielded in this process, by plugin."""
    asked: dict[str, set[asyncio.Task[Any]]] = field(default_factory=dict)
    """Questions to the plugins' checks and figures that have not ended, by name."""

    async def close(self) -> None:
        """Tell the plugins of the last endings, and close every connection."""
        await self.announcer.finish()
        await self.redis.aclose(close_connection_pool=True)
        await self.queue.close()
        await self.engine.dispose()

    def host(self, plugin: str, role: Role) -> Host:
        """What a plugin may use of this process outside of runs and requests."""
        return Host(
            role=role,
            settings=self.registry.settings.get(plugin),
            contributions=self.registry,
            unit_of_work=self.unit_of_work,
            vault=self.vault(plugin),
        )

    @cached_property
    def keys(self) -> KeyRing:
        """What secrets of other systems are sealed with."""
        return KeyRing(tuple(key.get_secret_value() for key in self.settings.secret_keys))

    def vault(self, plugin: str) -> Vault:
        """The secrets of one plugin."""
        return Vault(plugin=plugin, keys=self.keys)

    @property
    def role(self) -> Role:
        """What kind of process this is: a command, as long as nobody has opened the plugins."""
        return self.opened_as[0] if self.opened_as else Role.COMMAND

    @cached_property
    def announcer(self) -> Announcer:
        """Tells of endings; there is one, with a backlog."""
        return Announcer(
            publisher=self.publisher,
            session_factory=self.session_factory,
            hooks=self.registry.hooks,
            host_of=lambda plugin: self.host(plugin, self.role),
            may_tell=lambda: bool(self.opened_as),
        )

    @property
    def settler(self) -> Settler:
        """Ends attempts, whoever asks for it."""
        return Settler(
            registry=self.registry,
            session_factory=self.session_factory,
            queue=self.queue,
            announcer=self.announcer,
            settings=self.settings,
        )

    def unit_of_work(self) -> AbstractAsyncContextManager[UnitOfWork]:
        """A transaction after whose commit the queue hears of the runs started in it."""
        return unit_of_work(self.session_factory, self.registry, self.queue, self.announcer)

    def scheduler(self) -> Scheduler:
        """What fires the schedules of the installed plugins; one per process."""
        return Scheduler(registry=self.registry, unit_of_work=self.unit_of_work)

    @asynccontextmanager
    async def reconciling(self, scheduler: Scheduler | None = None) -> AsyncIterator[None]:
        """Keep rows and queue together, and fire schedules, while the block runs."""
        every = self.settings.reconcile_interval
        look = Reconciler(settler=self.settler).reconcile
        fire = (scheduler or self.scheduler()).fire_due
        async with (
            repeating(look, every=every, name="reconciler"),
            repeating(fire, every=every, name="scheduler"),
        ):
            yield


def build_runtime(
    settings: Settings | None = None,
    *,
    registry: Registry | None = None,
    application_name: str = "ticketgen",
) -> Runtime:
    """Put a runtime together; whoever does closes it.

    Nothing is connected yet: Postgres and Redis may come up later than the process.

    Raises:
        ConfigurationError: a setting is missing or wrong, or a required plugin is broken.
    """
    settings = settings or attached_settings()
    registry = registry or load_registry(settings)
    engine = create_engine(settings, application_name=application_name)
    redis = connect_redis(settings)
    return Runtime(
        settings=settings,
        registry=registry,
        engine=engine,
        session_factory=create_session_factory(engine),
        queue=RunQueue(settings),
        redis=redis,
        publisher=Publisher(redis, keep=settings.keep_result),
    )


@asynccontextmanager
async def open_runtime(
    settings: Settings | None = None,
    *,
    registry: Registry | None = None,
    application_name: str = "ticketgen",
) -> AsyncIterator[Runtime]:
    """A runtime for the length of a block; raises as `build_runtime` does."""
    runtime = build_runtime(settings, registry=registry, application_name=application_name)
    try:
        yield runtime
    finally:
        await runtime.close()
