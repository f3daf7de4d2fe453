"""Where runs stand by their rows, for any number of clients over one database connection."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from ticketgen.database import SessionFactory
from ticketgen.domain import watched_runs
from ticketgen.domain.task_runs import TaskRun
from ticketgen.errors import NotFoundError
from ticketgen.grouping import Grouping
from ticketgen.streams.topics import SessionTopic, Topic

__all__ = ["GoneError", "RowReader"]

_BATCH = 200

_Key = UUID | tuple[UUID, str]


class GoneError(NotFoundError):
    """The session, or the run, was deleted."""


class RowReader:
    """Looks at rows for clients that attach, many by one query."""

    def __init__(self, session_factory: SessionFactory) -> None:
        self._session_factory = session_factory
        self._grouping: Grouping[_Key, TaskRun | GoneError | None] = Grouping(
            self._read_all, most=_BATCH
        )

    async def find(self, topic: Topic) -> TaskRun | None:
        """The run a topic is about as it stands now; None where none was started yet.

        Raises:
            GoneError: the session, or the run, is not there.
        """
        if isinstance(topic, SessionTopic):
            return await self._ask((topic.session_id, topic.task_type))
        return await self._ask(topic.run_id)

    async def find_run(self, run_id: UUID) -> TaskRun | None:
        """A run as it stands now; None if it is gone."""
        try:
            return await self._ask(run_id)
        except GoneError:
            return None

    async def close(self) -> None:
        """Look at nothing any more."""
        await self._grouping.close()

    async def _ask(self, key: _Key) -> TaskRun | None:
        found = await self._grouping.ask(key)
        if isinstance(found, GoneError):
            raise found
        return found

    async def _read_all(self, keys: Sequence[_Key]) -> Sequence[TaskRun | GoneError | None]:
        ids = {key for key in keys if isinstance(key, UUID)}
        pairs = {key for key in keys if isinstance(key, tuple)}
        runs: dict[UUID, TaskRun] = {}
        newest: dict[tuple[UUID, str], TaskRun | None] = {}
        async with self._session_factory() as db:
            if ids:
                runs = await watched_runs.runs_by_id(db, ids)
            if pairs:
                newest = await watched_runs.newest_runs(db, pairs)
        return [
            runs.get(key, _gone()) if isinstance(key, UUID) else newest.get(key, _gone())
            for key in keys
        ]


def _gone() -> GoneError:
    return GoneError(
        "The session, or the run, was deleted.",
        recovery_actions=["See GET /api/sessions and GET /api/runs for what there is."],
    )
