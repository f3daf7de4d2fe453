"""What the database says after a campaign: every run, every attempt, every step, every ticket."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain.run_attempts import RunAttempt
from ticketgen.domain.run_steps import RunStep
from ticketgen.domain.task_runs import ACTIVE_STATES, TaskRun
from ticketgen.domain.tickets import Ticket

__all__ = ["Evidence", "active_runs", "read_evidence", "unannounced_runs", "worker_connections"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The rows as they stand at the end."""

    runs: Mapping[UUID, TaskRun]
    attempts: Mapping[UUID, Sequence[RunAttempt]] = field(default_factory=dict)
    """Of each run, the first first."""
    steps: Mapping[UUID, int] = field(default_factory=dict)
    """Lineage → number of stored steps."""
    tickets: Mapping[UUID, Sequence[UUID]] = field(default_factory=dict)
    """Session → its tickets."""


async def read_evidence(db: AsyncSession) -> Evidence:
    """Read it all; there are hundreds of rows, not millions."""
    attempts: dict[UUID, list[RunAttempt]] = defaultdict(list)
    for attempt in await db.scalars(
        select(RunAttempt).order_by(RunAttempt.run_id, RunAttempt.attempt)
    ):
        attempts[attempt.run_id].append(attempt)
    tickets: dict[UUID, list[UUID]] = defaultdict(list)
    for row in await db.execute(select(Ticket.session_id, Ticket.id)):
        tickets[row.session_id].append(row.id)
    steps = await db.execute(
        select(RunStep.lineage_id, func.count().label("number")).group_by(RunStep.lineage_id)
    )
    return Evidence(
        runs={run.id: run for run in await db.scalars(select(TaskRun))},
        attempts=attempts,
        steps={row.lineage_id: row.number for row in steps},
        tickets=tickets,
    )


async def active_runs(db: AsyncSession) -> int:
    """How many runs have not ended."""
    found = await db.scalar(
        select(func.count()).select_from(TaskRun).where(TaskRun.state.in_(ACTIVE_STATES))
    )
    return found or 0


async def unannounced_runs(db: AsyncSession) -> int:
    """How many endings nobody has been told of."""
    found = await db.scalar(
        select(func.count())
        .select_from(TaskRun)
        .where(TaskRun.finished_at.is_not(None), TaskRun.announced_at.is_(None))
    )
    return found or 0


async def worker_connections(db: AsyncSession) -> int:
    """How many connections to the database workers have."""
    found = await db.scalar(
        text("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%worker%'")
    )
    return int(found or 0)
