"""Which tasks start by themselves, when next, and what came of the last time."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api import examples
from ticketgen.api.deps import Admin, Work, problem_responses
from ticketgen.api.host import HostRuntime
from ticketgen.cron_times import next_fire_times
from ticketgen.database import database_time
from ticketgen.domain import schedules
from ticketgen.domain.schedules import FireOutcome, ScheduleFire
from ticketgen.plugin import Misfire, Overlap
from ticketgen.registry import RegisteredSchedule, Registry

__all__ = ["FireView", "NextFireView", "ScheduleView", "describe_schedules", "router"]

router = APIRouter(prefix="/api/schedules", tags=["schedules"])

_NEXT_FIRES = 3


class NextFireView(BaseModel):
    """A fire time to come, twice."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.NEXT_FIRE]})

    utc: datetime
    local: datetime = Field(description="The same moment by the clock of the schedule's zone.")


class FireView(BaseModel):
    """A fire time that has been, and what came of it."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.SCHEDULE_FIRE]}
    )

    fire_time: datetime
    outcome: FireOutcome
    recorded_at: datetime
    task_id: UUID | None = Field(description="The run it started, or the one in its way.")


class ScheduleView(BaseModel):
    """A task that starts by itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SCHEDULE]})

    name: str = Field(description="`plugin.schedule`.")
    task: str = Field(description="The task type it starts.")
    summary: str
    cron: str = Field(description="Minute, hour, day of month, month, day of week.")
    zone: str = Field(description="By whose clock the expression is read.")
    overlap: Overlap
    misfire: Misfire
    next_fires: list[NextFireView]
    last_fire: FireView | None


async def describe_schedules(db: AsyncSession, registry: Registry) -> list[ScheduleView]:
    """What a listing says of every schedule of the active plugins."""
    now = await database_time(db)
    last = await schedules.last_fires(db, registry.schedules.keys())
    return [
        _described(registered, now=now, last=last.get(name))
        for name, registered in sorted(registry.schedules.items())
    ]


def _described(
    registered: RegisteredSchedule, *, now: datetime, last: ScheduleFire | None
) -> ScheduleView:
    schedule = registered.schedule
    coming = next_fire_times(schedule.cron, schedule.zone, after=now, count=_NEXT_FIRES)
    clock = ZoneInfo(schedule.zone)
    return ScheduleView(
        name=registered.name,
        task=schedule.task,
        summary=schedule.summary,
        cron=schedule.cron,
        zone=schedule.zone,
        overlap=schedule.overlap,
        misfire=schedule.misfire,
        next_fires=[NextFireView(utc=moment, local=moment.astimezone(clock)) for moment in coming],
        last_fire=None if last is None else FireView.model_validate(last),
    )


@router.get("", responses=problem_responses(403))
async def list_schedules(runtime: HostRuntime, work: Work, admin: Admin) -> list[ScheduleView]:
    """List every schedule with its next fire times and its last one."""
    return await describe_schedules(work.db, runtime.registry)
