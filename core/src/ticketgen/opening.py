"""Opens the plugins in an API or worker process, and closes them when it stops.

A plugin that raises, hangs, or finds tables of another version than it needs is put out of use
in this process, with the reason; the process goes on without it. What cannot be cut is a start
that never awaits: plugins run in the host's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.conformance import Problem, raised
from ticketgen.database import passes_by_itself
from ticketgen.isolation import UNWIND_SECONDS, LateError, belongs_to_host, in_time, late_of
from ticketgen.migrations import plugin_schema_problem
from ticketgen.migrations.trees import problem_of
from ticketgen.plugin import Plugin
from ticketgen.ports import Host, Role
from ticketgen.registry import insist
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

__all__ = ["closing_seconds", "open_plugins"]

_log = structlog.get_logger(__name__)

_MEND = "Mend what the message names, or uninstall the plugin; then start again."
_WAIT = "See what it waits for, or raise TICKETGEN_PLUGIN_START_TIMEOUT; then start again."
_UPGRADE = "Run `ticketgen db upgrade`, then start again."

_CLOSING_SECONDS = 4.0
"""So long a plugin may take to close: whoever stops a process kills it if it takes much longer."""


def closing_seconds(settings: Settings) -> float:
    """What closing the plugins takes at most, however many there are."""
    return _closing_limit(settings) + UNWIND_SECONDS


def _closing_limit(settings: Settings) -> float:
    return min(settings.plugin_start_timeout.total_seconds(), _CLOSING_SECONDS)


@asynccontextmanager
async def open_plugins(
    runtime: Runtime, role: Role, *, only: Collection[str] = ()
) -> AsyncIterator[None]:
    """Have the plugins open while the block runs, or those that are named.

    They are opened all at once, each in its own time limit, and closed all at once in one limit:
    no plugin depends on another. Where they are open already, nothing is done.

    Raises:
        PluginFailureError: a plugin without which the host must not run could not be opened.
    """
    if runtime.opened_as:
        yield
        return
    runtime.opened_as.append(role)
    stays = [
        _Stay(plugin=plugin, runtime=runtime)
        for plugin in runtime.registry.active
        if not only or plugin.name in only
    ]
    try:
        await asyncio.gather(*(stay.begin(runtime.host(stay.name, role)) for stay in stays))
        insist(runtime.registry.plugins, runtime.settings)
        yield
    finally:
        try:
            await runtime.announcer.finish()  # while what the hooks may need is open
            await _close(stays, limit=_closing_limit(runtime.settings))
        finally:
            for stay in stays:
                stay.give_up()
            runtime.opened_as.clear()


async def _close(stays: Iterable[_Stay], *, limit: float) -> None:
    """Leave all lifespans; those that hang are told to stop, and then left behind."""
    leaving = {task: stay.name for stay in stays if (task := stay.leave()) is not None}
    for task in await late_of(leaving.keys(), limit=limit):
        _log.error("plugin_close_late", plugin=leaving[task], seconds=limit)


@dataclass(kw_only=True, eq=False)
class _Stay:
    """One plugin in this process; its lifespan is entered and left in one task of its own."""

    plugin: Plugin
    runtime: Runtime
    _task: asyncio.Task[None] | None = field(default=None, init=False)
    _begun: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _leave: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _failure: BaseException | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.plugin.name

    @property
    def _limit(self) -> float:
        return self.runtime.settings.plugin_start_timeout.total_seconds()

    async def begin(self, host: Host) -> None:
        """Look at its tables and enter its lifespan, or put it out of use."""
        problem = await _schema_problem(self.runtime.engine, self.plugin, limit=self._limit)
        if problem is None and self.plugin.lifespan is not None:
            problem = await self._enter(host)
        if problem is not None:
            self.runtime.registry.standing.put_out(self.name, problem)

    async def _enter(self, host: Host) -> Problem | None:
        begun = asyncio.create_task(self._begun.wait())
        self._task = asyncio.create_task(self._stay(host), name=f"lifespan:{self.name}")
        try:
            await asyncio.wait(
                {begun, self._task}, timeout=self._limit, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            begun.cancel()
        if self._begun.is_set() and self._failure is None:
            return None
        if self._failure is not None:
            return raised("start", self._failure, _MEND)
        self.give_up()
        message = f"its lifespan did not start within {self._limit:g} s"
        return Problem(phase="start", message=message, remedy=_WAIT)

    async def _stay(self, host: Host) -> None:
        assert self.plugin.lifespan is not None, "only a plugin with a lifespan has a stay"  # noqa: S101
        try:
            async with self.plugin.lifespan(host) as state:
                if self._leave.is_set():
                    return  # too late: it was given up
                self.runtime.states[self.name] = state
                self._begun.set()
                await self._leave.wait()
                self.runtime.states.pop(self.name, None)
            if not self._leave.is_set():
                raise RuntimeError("its lifespan ended by itself")
        except BaseException as error:
            if belongs_to_host(error) and self._leave.is_set():
                raise
            self._failure = error
            self._report(error)
            if isinstance(error, KeyboardInterrupt):
                raise

    def _report(self, error: BaseException) -> None:
        """A start that fails is told by whoever waits for it."""
        if self._leave.is_set():
            _log.error("plugin_close_failed", plugin=self.name, exc_info=error)
        elif self._begun.is_set():
            self.runtime.states.pop(self.name, None)
            _log.error("plugin_ended_by_itself", plugin=self.name, exc_info=error)
            self.runtime.registry.standing.put_out(self.name, raised("start", error, _MEND))

    def leave(self) -> asyncio.Task[None] | None:
        """Tell it to close, and give the task that does; None if there is nothing to wait for."""
        if not self._begun.is_set():
            self.give_up()
            return None
        self._leave.set()
        return self._task

    def give_up(self) -> None:
        """Tell it to stop, and wait for nothing."""
        self._leave.set()
        self.runtime.states.pop(self.name, None)
        if self._task is not None:
            self._task.cancel()


async def _schema_problem(engine: AsyncEngine, plugin: Plugin, *, limit: float) -> Problem | None:
    """What is wrong with a plugin's tables; nothing if the database does not answer.

    It may come up later than the process, as for everything else.
    """
    if plugin.migrations is None:
        return None
    try:
        async with in_time(limit):
            found = await plugin_schema_problem(engine, plugin.name, plugin.migrations)
    except (LateError, DBAPIError, PoolTimeoutError, OSError) as error:
        if isinstance(error, LateError) or passes_by_itself(error):
            _log.warning("plugin_schema_unknown", plugin=plugin.name, error=str(error)[:300])
            return None
        return raised("schema", error, _UPGRADE)
    except BaseException as error:  # its revision files are code of its own
        if belongs_to_host(error):
            raise
        return raised("schema", error, _UPGRADE)
    if found is None:
        return None
    problem = problem_of(found, remedy=_UPGRADE)
    return replace(problem, remedy=f"{problem.remedy} Then start again.")
