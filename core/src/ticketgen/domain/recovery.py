"""Where a person can go on: each session with what is in it, at work in it, and went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.failures import LastFailure, last_failures
from ticketgen.domain.session_contents import SessionCounts, counts_of
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import ACTIVE_STATES, TaskRun, list_runs

__all__ = ["Recoverable", "active_runs_of", "recoverable"]

_MOST_RUNS = 10_000


@dataclass(frozen=True, kw_only=True)
class Recoverable:
    """One session and everything that says how to go on with it."""

    session: WorkSession
    counts: SessionCounts
    active: tuple[TaskRun, ...]
    """What is at work, the oldest first."""
    last_failure: LastFailure | None

    @property
    def last_activity(self) -> datetime:
        """When somebody worked on it last, or work on it ended."""
        ended = self.counts.last_ending
        return max(self.session.updated_at, ended) if ended else self.session.updated_at


async def recoverable(db: AsyncSession, found: Sequence[WorkSession]) -> list[Recoverable]:
    """The same sessions in the same order; three statements, however many they are."""
    ids = [session.id for session in found]
    if not ids:
        return []
    counts = await counts_of(db, ids)
    runs = await active_runs_of(db, ids)
    failed = await last_failures(db, ids)
    return [
        Recoverable(
            session=session,
            counts=counts[session.id],
            active=runs[session.id],
            last_failure=failed.get(session.id),
        )
        for session in found
        if session.id in counts  # else it was deleted a moment ago
    ]


async def active_runs_of(
    db: AsyncSession, session_ids: Sequence[UUID]
) -> dict[UUID, tuple[TaskRun, ...]]:
    """Session id → its active runs, the oldest first; every given session has an entry."""
    found: defaultdict[UUID, list[TaskRun]] = defaultdict(list)
    among = TaskRun.session_id.in_(session_ids)
    for run in await list_runs(db, among=among, states=ACTIVE_STATES, limit=_MOST_RUNS):
        if run.session_id is not None:
            found[run.session_id].insert(0, run)
    return {session_id: tuple(found[session_id]) for session_id in session_ids}
