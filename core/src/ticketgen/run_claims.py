"""Claims runs for one worker process: those that come together by one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import SessionFactory
from ticketgen.domain import transitions
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.transitions_together import claim_runs
from ticketgen.grouping import Grouping
from ticketgen.hands import Hands, HeldRun
from ticketgen.registry import Registry
from ticketgen.settings import Settings

__all__ = ["RunClaims"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunClaims:
    """The claims of one worker process.

    What is claimed is in its hands before that is committed, so that no renewal misses it.
    """

    session_factory: SessionFactory
    registry: Registry
    settings: Settings
    worker_id: UUID
    worker: str
    """What people know the process by: `host:pid`."""
    hands: Hands

    def time_limit(self, run: TaskRun) -> timedelta:
        """How long an attempt of the run may take."""
        return self.registry.tasks[run.task_type].task.timeout or self.settings.job_timeout

    def claim_with_others(self, run_id: UUID) -> asyncio.Future[HeldRun | None]:
        """Claim a run and take it in hand, by one transaction with all that are asked for now.

        None if there is nothing to claim, or not in this way: `claim_by_itself` says. Whoever waits
        for it and is cancelled has to wait on: it may be claimed all the same.
        """
        return self._together.put(run_id)

    @cached_property
    def _together(self) -> Grouping[UUID, HeldRun | None]:
        return Grouping(self._claim_together)

    async def _claim_together(self, run_ids: Sequence[UUID]) -> list[HeldRun | None]:
        begun = time.monotonic()
        async with self.session_factory() as db:
            claimed = await claim_runs(
                db,
                run_ids,
                task_types=self.registry.served,
                worker_id=self.worker_id,
                worker=self.worker,
                lease=self.settings.lease,
            )
            taken = await self._take(db, claimed, begun)
        return [taken.pop(run_id, None) for run_id in run_ids]

    async def claim_by_itself(self, run_id: UUID, *, alone: bool) -> HeldRun | None:
        """Claim a run and take it in hand; None if there is nothing to claim.

        Raises:
            DBAPIError: the database did not answer.
        """
        begun = time.monotonic()
        async with self.session_factory() as db:
            run = await transitions.claim_run(
                db,
                run_id,
                worker_id=self.worker_id,
                worker=self.worker,
                lease=self.settings.lease,
                alone=alone,
            )
            if run is None:
                return None
            if run.task_type not in self.registry.served:
                # Not committed: it stays queued for a worker that has the plugin, and in use.
                _log.error("run_not_served_here", run=str(run_id), task=run.task_type)
                return None
            return (await self._take(db, [run], begun))[run_id]

    async def _take(
        self, db: AsyncSession, runs: Sequence[TaskRun], begun: float
    ) -> dict[UUID, HeldRun]:
        taken = [HeldRun(run, claimed_at=begun, time_limit=self.time_limit(run)) for run in runs]
        for held in taken:
            self.hands.take(held)
        try:
            await db.commit()
        except BaseException:
            for held in taken:
                self.hands.drop(held)
            raise
        for held in taken:
            held.confirmed = True
        return {held.run.id: held for held in taken}
