"""Tells of the endings of runs: on their channels at once, to the plugins' hooks in their turn.

The plugins are told one run after another beside everything else, so that a slow hook holds
up no worker's slot, no request and no rescue. An ending counts as announced when both are done;
until then the reconciler of any process announces it again, and an advisory lock sees to it that
two of them do not tell the plugins of one run at once. A process that has not opened its plugins,
such as a command, leaves the telling to them.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.database import SessionFactory
from ticketgen.domain import task_runs
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.grouping import Grouping
from ticketgen.hooks import HookCaller
from ticketgen.ports import Host, SettledRun
from ticketgen.progress import Publisher, terminal_message

__all__ = ["Announcer"]

_log = structlog.get_logger(__name__)

_HOOK = "ticketgen_run_settled"

_MOST_WAITING = 1_000
"""So many endings wait in one process for their turn; what is more is left to the reconciler."""

_NOTE_SECONDS = 0.05
"""So long endings are gathered before it is noted that they were announced."""

_LAST_SECONDS = 4.0
"""So long a process that ends goes on telling; a hook that it breaks off is called elsewhere."""


@dataclass(kw_only=True, eq=False)
class Announcer:
    """Announces endings; every process has one."""

    publisher: Publisher
    session_factory: SessionFactory
    hooks: HookCaller
    host_of: Callable[[str], Host]
    """What a plugin's hook is given, by the plugin's name."""
    may_tell: Callable[[], bool]
    """Whether this process has its plugins open: without, their hooks are not called here."""
    _waiting: dict[UUID, TaskRun] = field(default_factory=dict, init=False)
    _telling: asyncio.Task[None] | None = field(default=None, init=False)

    async def announce(self, run: TaskRun) -> bool:
        """Publish the ending of a settled run, and see to it that the plugins are told.

        False if Redis did not take it. What fails, or is not told here, the reconciler does.
        """
        if run.id in self._waiting:
            return True
        if not await self._endings.ask(run):
            return False
        if not self.hooks.implementers(_HOOK):
            _ = self._notes.put(run.id)  # nobody waits for it
        elif self.may_tell() and len(self._waiting) < _MOST_WAITING:
            self._waiting[run.id] = run
            self._begin_to_tell()
        return True

    async def all_noted(self) -> None:
        """Wait until what was announced so far is noted in the rows."""
        if self._notes.task is not None:
            await asyncio.wait({self._notes.task})

    async def finish(self) -> None:
        """Tell what is left, as far as that goes quickly; another process tells the rest."""
        telling = [task for task in (self._telling, self._notes.task) if task is not None]
        if not telling:
            return
        await asyncio.wait(telling, timeout=_LAST_SECONDS)
        await end_tasks(*telling)
        if self._waiting:
            _log.warning("endings_left_to_others", runs=len(self._waiting))
            self._waiting.clear()

    def _begin_to_tell(self) -> None:
        if self._telling is None or self._telling.done():
            # Log lines about hooks must not bear the name of the run that happened to be first.
            self._telling = asyncio.create_task(
                self._tell_waiting(), name="announcer", context=contextvars.Context()
            )

    async def _tell_waiting(self) -> None:
        while self._waiting:
            run = next(iter(self._waiting.values()))
            try:
                await self._tell(run)
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                _log.warning("announcement_not_noted", run=str(run.id), error=str(error)[:300])
            except Exception:
                _log.exception("announcing_failed", run=str(run.id))
            self._waiting.pop(run.id, None)

    async def _tell(self, run: TaskRun) -> None:
        """Call the hooks with no transaction but our own, which holds the lock and no row."""
        async with self.session_factory() as db:
            if not await task_runs.hold_announcement(db, run.id):
                return
            await self.hooks.run_settled(_settled(run), self.host_of)
            await task_runs.mark_announced(db, run.id)
            await db.commit()

    @cached_property
    def _endings(self) -> Grouping[TaskRun, bool]:
        return Grouping(self._publish)

    async def _publish(self, runs: Sequence[TaskRun]) -> Sequence[bool]:
        taken = await self.publisher.publish_all([terminal_message(run) for run in runs])
        return [taken] * len(runs)

    @cached_property
    def _notes(self) -> Grouping[UUID, None]:
        return Grouping(self._note, after=_NOTE_SECONDS)

    async def _note(self, run_ids: Sequence[UUID]) -> Sequence[None]:
        """Note of many at once that they are announced: nobody waits for it."""
        try:
            async with self.session_factory() as db:
                await task_runs.mark_announced(db, *run_ids)
                await db.commit()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("announcement_not_noted", runs=len(run_ids), error=str(error)[:300])
        return [None] * len(run_ids)


def _settled(run: TaskRun) -> SettledRun:
    assert run.finished_at is not None, "an ending has its time"  # noqa: S101
    return SettledRun(
        id=run.id,
        task_type=run.task_type,
        session_id=run.session_id,
        status=str(run.state),
        result_summary=run.result_summary if run.state is RunState.COMPLETED else None,
        error=run.error if run.state is RunState.FAILED else None,
        finished_at=run.finished_at,
    )
