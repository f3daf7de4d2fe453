"""Looks at the rows of all runs that are watched and silent, by one query, and at hanging clients.

A terminal state is committed before it is published, so an ending whose message is lost is found
here. However many clients a process has, it asks at most three questions a second, and none while
every watched run talks or nobody watches.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.database import SessionFactory
from ticketgen.domain import watched_runs
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.watched_runs import Standing
from ticketgen.streams.listener import Changed, Listener, SlowError
from ticketgen.streams.topics import SessionTopic

__all__ = ["Watch"]

_log = structlog.get_logger(__name__)

_TICK_SECONDS = 1.0
_SILENT_SECONDS = 1.0
"""A run that has said nothing for so long is looked at: with the tick, within two seconds."""

_HANGING_SECONDS = 30.0
"""A client that takes nothing for so long is closed, and may come back."""

_Pair = tuple[UUID, str]


class Watch:
    """One for each process."""

    def __init__(
        self, session_factory: SessionFactory, listeners: Callable[[], Iterable[Listener]]
    ) -> None:
        self._session_factory = session_factory
        self._listeners = listeners
        self._is_blind = False

    async def run(self) -> None:
        """Look every second until cancelled; a database that is away is asked again."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._end_hanging()
            try:
                await self.look()
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                if not self._is_blind:
                    _log.warning("watched_runs_unseen", error=str(error))
                self._is_blind = True
            except Exception:
                _log.exception("watch_failed")
            else:
                self._is_blind = False

    async def look(self) -> None:
        """Look once, and tell whom it concerns."""
        since = time.monotonic() - _SILENT_SECONDS
        watching: defaultdict[UUID, list[Listener]] = defaultdict(list)
        waiting: defaultdict[_Pair, list[Listener]] = defaultdict(list)
        for listener in self._listeners():
            if not listener.has_begun or listener.heard_at > since:
                continue
            if listener.run_id is not None:
                watching[listener.run_id].append(listener)
            elif isinstance(listener.topic, SessionTopic):
                waiting[listener.topic.session_id, listener.topic.task_type].append(listener)
        if watching:
            await self._look_at_runs(watching)
        if waiting:
            await self._look_for_runs(waiting)

    async def _look_at_runs(self, watching: dict[UUID, list[Listener]]) -> None:
        async with self._session_factory() as db:
            standing = await watched_runs.standings(db, watching.keys())
            moved = {
                run_id
                for run_id, listeners in watching.items()
                if run_id in standing
                and any(_has_moved(listener, standing[run_id]) for listener in listeners)
            }
            runs = await watched_runs.runs_by_id(db, moved) if moved else {}
        for run_id, listeners in watching.items():
            if run_id in standing and run_id not in moved:
                continue
            for listener in listeners:
                _tell(listener, runs.get(run_id))

    async def _look_for_runs(self, waiting: dict[_Pair, list[Listener]]) -> None:
        async with self._session_factory() as db:
            found = await watched_runs.newest_runs(db, waiting.keys())
        for pair, listeners in waiting.items():
            run = found.get(pair)
            if pair in found and run is None:
                continue
            for listener in listeners:
                if listener.run_id is None:
                    _tell(listener, run)

    def _end_hanging(self) -> None:
        since = time.monotonic() - _HANGING_SECONDS
        for listener in list(self._listeners()):
            if listener.sending_since is not None and listener.sending_since < since:
                listener.fail(
                    SlowError("The client took nothing any more.", recovery_actions=["Come back."])
                )


def _has_moved(listener: Listener, standing: Standing) -> bool:
    """Whether a run has ended, or was parked or resumed: no message of the run says the latter."""
    seen = listener.seen
    if seen is None or seen.has_ended != standing.has_ended:
        return True
    return not standing.has_ended and seen.parked != standing.parked


def _tell(listener: Listener, run: TaskRun | None) -> None:
    if run is not None:
        listener.seen = Standing(state=run.state, parked=run.parked)
    listener.notify(Changed(run))
