"""A host without any server, for the fast loop: one task, run to its end within the test's process.

    host = MemoryHost(ticketgen_plugin(), settings=AcmeSettings(prefix="x"))
    outcome = await host.run("acme_labels", request={"group": "Tags"}, session=make_session())
    assert outcome.completed() == {"labels": 3}

What decides is the code of the real host: the checks of a start, what an exception means, whether
and when a failure is tried again, the rules of steps and effects. What is simulated is the storage.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel
from pydantic_settings import BaseSettings

from ticketgen.cron_times import fire_times
from ticketgen.database import SessionFactory, new_id
from ticketgen.domain.effects import Effect, EffectName
from ticketgen.domain.sessions import Stage, WorkSession, require_stage
from ticketgen.domain.users import User
from ticketgen.errors import ConfigurationError, NotFoundError
from ticketgen.plugin import Plugin
from ticketgen.ports import Host, Role, StartContext
from ticketgen.preparing import as_stored, check_subject, payload_of, read_request
from ticketgen.registry import RegisteredSchedule, RegisteredTask
from ticketgen.sealing import KeyRing, new_key
from ticketgen.settings import Settings
from ticketgen.testing.clock import FakeClock
from ticketgen.testing.memory_context import Journal, through_json
from ticketgen.testing.memory_run import MemoryRun
from ticketgen.testing.memory_starts import MemoryStarts, MemoryWork
from ticketgen.testing.registries import registry_of
from ticketgen.testing.run_outcome import RunOutcome, StartSeen
from ticketgen.vault import Vault

__all__ = ["MemoryHost", "make_session"]

_MOST_FIRES = 10_000


def make_session(*, stage: Stage = Stage.REVIEW, **fields: Any) -> WorkSession:
    """A session that no database knows, for `MemoryHost.run`."""
    now = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    usual = {
        "id": new_id(),
        "owner_id": new_id(),
        "name": "Harbour Museum",
        "description": "",
        "jira_project_key": None,
        "writer": "template",
        "content_revision": 0,
        "created_at": now,
        "updated_at": now,
    }
    return WorkSession(stage=stage, **(usual | fields))


class MemoryHost:
    """Runs the tasks of a plugin without a server.

    As a context manager it opens the plugin's lifespan once; otherwise each run opens one of its
    own. No hooks are called, the plugin's as little as those of plugins beside it. What it does
    not show besides: fencing, leases, throttled progress, the database.

    `settings` are the plugin's own; unset, they are read from the environment as the host does.
    `beside` are other plugins that are installed, `known_tasks` the names of other plugins' tasks
    that may be started. `database` serves `ctx.transaction()` and `start.db`; without one, what
    needs a database raises a `NeedsDatabaseError` that says how to test it. `randomness` decides
    the waits before retries.

    Raises:
        ConfigurationError: the real host would refuse the plugin; the message says why.
    """

    def __init__(
        self,
        plugin: Plugin,
        *,
        settings: BaseSettings | None = None,
        clock: FakeClock | None = None,
        beside: tuple[Plugin, ...] = (),
        known_tasks: tuple[str, ...] = (),
        database: SessionFactory | None = None,
        host_settings: Settings | None = None,
        randomness: random.Random | None = None,
    ) -> None:
        self.plugin = plugin
        self.clock = clock or FakeClock()
        self.host_settings = host_settings or Settings(required_plugins=())
        given = {} if settings is None else {plugin.name: settings}
        self.registry = registry_of(self.host_settings, plugin, *beside, given=given)
        self.settings = self.registry.settings.get(plugin.name)
        self.effects: dict[EffectName, Effect] = {}
        """The ledger, over all runs of this host."""
        self.started: list[StartSeen] = []
        """What was started outside of runs, by the plugin's lifespan."""
        self.vault = Vault(plugin=plugin.name, keys=KeyRing((new_key(),)))
        """The plugin's secrets, with a key of this host's own; they are kept in the database."""
        self._known_tasks = known_tasks
        self._database = database
        self._randomness = randomness or random.Random(0)  # noqa: S311 - no secret is drawn
        self._open_lifespan: Any = None
        self._state: Any = None

    async def __aenter__(self) -> Self:
        self._open_lifespan = self._lifespan()
        self._state = await self._open_lifespan.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, self._open_lifespan, self._state = self._open_lifespan, None, None
        await opened.__aexit__(kind, error, traceback)

    async def run(
        self,
        task_type: str,
        *,
        request: BaseModel | Mapping[str, Any] | None = None,
        session: WorkSession | None = None,
        user: User | None = None,
        cancel_at: str | None = None,
        retry_of: RunOutcome | None = None,
    ) -> RunOutcome:
        """Start a task of the plugin as the real host would, and run it to its end.

        Request, payload, steps and summary go through JSON. Retries come at once, on the fake
        clock; the task's time limit is real. `cancel_at` is a stage of `ctx.progress` or a key of
        `ctx.step`: there somebody cancels the run. `retry_of` is an outcome whose steps the run
        goes on with, as a retry by hand does. The session's stage moves as the task declares;
        `Task.discard` is called only if the host has a database.

        Raises:
            TicketgenError: the start is refused: no such task, a wrong stage, an unfit request,
                or what `prepare` raises.
            NeedsDatabaseError: the task wants a database, and the host has none.
            ConfigurationError: the plugin's lifespan did not start within its time limit.
        """
        registered = self._own(task_type)
        task = registered.task
        check_subject(task, session.id if session else None)
        if session is not None and task.stages is not None:
            require_stage(session, *task.stages.allowed, doing=f"`{task.name}`")
        asked = read_request(task, through_json(_plain(request)))
        journal = Journal(cancel_at=cancel_at, steps=dict(retry_of.steps) if retry_of else {})
        payload = await self._prepared(registered, asked, session=session, user=user, to=journal)
        if session is not None and task.stages is not None:
            session.stage = task.stages.on_start or session.stage
        async with self._state_in_hand() as state:
            return await MemoryRun(
                registered=registered,
                registry=self.registry,
                settings=self.settings,
                host_settings=self.host_settings,
                randomness=self._randomness,
                clock=self.clock,
                effects=self.effects,
                database=self._database,
                journal=journal,
                starts=self._starts(journal.started),
                state=state,
                vault=self.vault,
                payload=payload,
                session=session,
                user=user,
                lineage_id=retry_of.lineage_id if retry_of else None,
            ).to_its_end()

    async def fire(self, schedule: str) -> RunOutcome:
        """Run the task of a schedule, as at one of its fire times.

        Raises:
            NotFoundError: the plugin has no such schedule.
            TicketgenError: the start is refused; the real host would record that.
        """
        return await self.run(self._schedule(schedule).schedule.task)

    def fires(self, schedule: str, *, between: tuple[datetime, datetime]) -> list[datetime]:
        """When a schedule fires, later than the first moment and not later than the second, in UTC.

        At most ten thousand times: the last of them where there are more.

        Raises:
            NotFoundError: the plugin has no such schedule.
            ValueError: a moment has no zone.
        """
        found = self._schedule(schedule).schedule
        after, until = between
        return fire_times(found.cron, found.zone, after=after, until=until, limit=_MOST_FIRES)

    def _own(self, task_type: str) -> RegisteredTask:
        registered = self.registry.task(task_type)
        if registered.plugin.name != self.plugin.name:
            raise NotFoundError(
                f"{task_type!r} is a task of {registered.plugin.name!r}; this host runs those of "
                f"{self.plugin.name!r}.",
                recovery_actions=["Make a MemoryHost of that plugin."],
            )
        return registered

    def _schedule(self, name: str) -> RegisteredSchedule:
        full = name if "." in name else f"{self.plugin.name}.{name}"
        try:
            return self.registry.schedules[full]
        except KeyError:
            known = ", ".join(schedule.name for schedule in self.plugin.schedules) or "none"
            raise NotFoundError(
                f"The plugin {self.plugin.name!r} has no schedule {name!r}.",
                recovery_actions=[f"Its schedules: {known}."],
            ) from None

    async def _prepared(
        self,
        registered: RegisteredTask,
        asked: BaseModel,
        *,
        session: WorkSession | None,
        user: User | None,
        to: Journal,
    ) -> dict[str, Any]:
        async with self._prepare_session(to) as db:
            context = StartContext(
                db=db,
                session=session,
                user=user,
                settings=self.settings,
                contributions=self.registry,
                hooks=self.registry.hooks,
            )
            try:
                payload = await payload_of(registered.task, context, asked)
            finally:
                if to.misuse is not None:
                    raise to.misuse
        stored: dict[str, Any] = through_json(payload)
        return stored

    @asynccontextmanager
    async def _prepare_session(self, journal: Journal) -> AsyncIterator[Any]:
        if self._database is None:
            yield journal.session("StartContext.db")
            return
        async with self._database() as db:
            yield db
            await db.commit()

    def _starts(self, into: dict[str, StartSeen]) -> MemoryStarts:
        return MemoryStarts(registry=self.registry, known_tasks=self._known_tasks, started=into)

    @asynccontextmanager
    async def _state_in_hand(self) -> AsyncIterator[Any]:
        if self._open_lifespan is not None:
            yield self._state
            return
        async with self._lifespan() as state:
            yield state

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[Any]:
        if self.plugin.lifespan is None:
            yield None
            return
        host = Host(
            role=Role.WORKER,
            settings=self.settings,
            contributions=self.registry,
            unit_of_work=self._unit_of_work,
            vault=self.vault,
        )
        limit = self.host_settings.plugin_start_timeout.total_seconds()
        start = asyncio.timeout(limit)
        async with AsyncExitStack() as stack:
            try:
                async with start:
                    state = await stack.enter_async_context(self.plugin.lifespan(host))
            except TimeoutError as error:
                if not start.expired():
                    raise
                raise _late(self.plugin.name, limit) from error
            yield state

    @asynccontextmanager
    async def _unit_of_work(self) -> AsyncIterator[MemoryWork]:
        started: dict[str, StartSeen] = {}
        async with self._prepare_session(Journal()) as db:
            yield MemoryWork(db=db, starts=self._starts(started))
        self.started += started.values()


def _late(plugin: str, limit: float) -> ConfigurationError:
    return ConfigurationError(
        f"The lifespan of {plugin!r} did not start within {limit:g} s.",
        recovery_actions=[
            "A real host would put the plugin out of use: see what the lifespan waits for."
        ],
    )


def _plain(request: BaseModel | Mapping[str, Any] | None) -> Mapping[str, Any]:
    return as_stored(request) if isinstance(request, BaseModel) else dict(request or {})
