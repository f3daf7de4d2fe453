"""How runs that somebody watches are looked at: any number of them by one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import ACTIVE_STATES, RunState, TaskRun

__all__ = ["Standing", "newest_runs", "runs_by_id", "standings"]

_UNUSED = (defer(TaskRun.payload, raiseload=True), defer(TaskRun.request, raiseload=True))
"""What was asked for is of no interest to who watches, and may be large."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What of a run's row its watchers are told of when it changes."""

    state: RunState
    parked: Mapping[str, Any] | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.state not in ACTIVE_STATES


async def standings(db: AsyncSession, run_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Where each of the runs stands; one that is gone is left out."""
    rows = await db.execute(
        select(TaskRun.id, TaskRun.state, TaskRun.parked).where(
            TaskRun.id == func.any(cast(list(run_ids), ARRAY(PG_UUID(as_uuid=True))))
        )
    )
    return {run_id: Standing(state=state, parked=parked) for run_id, state, parked in rows}


async def runs_by_id(db: AsyncSession, run_ids: Collection[UUID]) -> dict[UUID, TaskRun]:
    """The runs themselves, without what was asked; one that is gone is left out."""
    found = await db.scalars(
        select(TaskRun)
        .where(TaskRun.id == func.any(cast(list(run_ids), ARRAY(PG_UUID(as_uuid=True)))))
        .options(*_UNUSED)
    )
    return {run.id: run for run in found}


async def newest_runs(
    db: AsyncSession, wanted: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], TaskRun | None]:
    """The newest run of each pair of session and task type, None where there was none yet.

    Pairs of sessions that are gone are left out.
    """
    pairs = list(wanted)
    asked = select(
        func.unnest(cast([pair[0] for pair in pairs], ARRAY(PG_UUID(as_uuid=True)))).label(
            "session_id"
        ),
        func.unnest(cast([pair[1] for pair in pairs], ARRAY(Text))).label("task_type"),
    ).subquery()
    newest = (
        select(TaskRun)
        .where(TaskRun.session_id == asked.c.session_id, TaskRun.task_type == asked.c.task_type)
        .order_by(TaskRun.created_at.desc(), TaskRun.id.desc())
        .limit(1)
        .lateral()
    )
    run = aliased(TaskRun, newest)
    rows = await db.execute(
        select(asked.c.session_id, asked.c.task_type, run)
        .join(WorkSession, WorkSession.id == asked.c.session_id)
        .outerjoin(run, true())
        .options(defer(run.payload, raiseload=True), defer(run.request, raiseload=True))
    )
    return {(session_id, task_type): found for session_id, task_type, found in rows}
