"""The worker processes: what each serves, how busy it is, and when it was last heard of."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.database import database_time
from ticketgen.domain import workers
from ticketgen.domain.workers import WorkerProcess

__all__ = ["LiveWorker", "WorkerState", "WorkerView", "describe_workers", "router"]

router = APIRouter(prefix="/api/workers", tags=["workers"])


class WorkerState(StrEnum):
    """Whether a worker process lives."""

    LIVE = "live"
    SILENT = "silent"
    """It said no farewell and is heard of no more: killed, or cut off from the database."""
    STOPPED = "stopped"


class LiveWorker(BaseModel):
    """One worker process that was heard of lately."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.WORKER]}
    )

    id: UUID
    host: str
    pid: int
    version: str
    task_types: list[str] = Field(description="What it takes.")
    plugins: dict[str, str] = Field(description="What it serves: plugin and version.")
    failed: dict[str, str] = Field(
        description="Installed plugins that are out of use in it: plugin, phase and message."
    )
    max_jobs: int = Field(description="Runs it executes at once.")
    running: int = Field(description="Runs in its hands.")
    lag: float = Field(
        description="Seconds its event loop was late when it last said that it lives; more than "
        "2: a handler blocks it."
    )
    started_at: datetime
    last_seen_at: datetime


class WorkerView(LiveWorker):
    """One worker process of the last 24 hours, live or not."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.ANY_WORKER]}
    )

    state: WorkerState
    stopped_at: datetime | None


async def describe_workers(
    db: AsyncSession, *, expiry: timedelta, everyone: bool
) -> list[WorkerView]:
    """The live workers, or everyone of the last 24 hours, in order of their start."""
    now = await database_time(db)
    found = [_view(worker, heard_since=now - expiry) for worker in await workers.list_workers(db)]
    return [view for view in found if everyone or view.state is WorkerState.LIVE]


def _view(worker: WorkerProcess, *, heard_since: datetime) -> WorkerView:
    if worker.stopped_at is not None:
        state = WorkerState.STOPPED
    else:
        state = WorkerState.LIVE if worker.last_seen_at > heard_since else WorkerState.SILENT
    return WorkerView(
        state=state,
        **{name: getattr(worker, name) for name in WorkerView.model_fields if name != "state"},
    )


@router.get("", responses=problem_responses())
async def list_workers(
    work: Work,
    runtime: HostRuntime,
    user: CurrentUser,
    everyone: Annotated[
        bool, Query(alias="all", description="Those stopped or gone silent within a day, too.")
    ] = False,
) -> list[WorkerView]:
    """List the live workers: right to within the heartbeat's expiry, 30 s by default."""
    return await describe_workers(
        work.db, expiry=runtime.settings.heartbeat_expiry, everyone=everyone
    )
