"""Schedules by a clock that a test sets, and what came of their fire times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Schedule
from ticketgen.domain.schedules import FireOutcome, KnownSchedule, ScheduleFire
from ticketgen.domain.task_runs import TaskRun
from ticketgen.runtime import Runtime

MONDAY = datetime(2026, 11, 23, 8, 15, tzinfo=UTC)
WEEKLY = Schedule(name="weekly", task="lab", cron="15 8 * * 1")
HOURLY = Schedule(name="hourly", task="lab", cron="0 * * * *")


def hour(number: int, minute: int = 0) -> datetime:
    """A moment of the same Monday."""
    return MONDAY.replace(hour=number, minute=minute)


@dataclass
class Clock:
    """What the schedulers take for the database's clock."""

    now: datetime

    async def read(self, db: AsyncSession) -> datetime:
        return self.now


def clock_at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> Clock:
    clock = Clock(now)
    monkeypatch.setattr("ticketgen.scheduler.database_time", clock.read)
    return clock


async def known_since(runtime: Runtime, since: datetime) -> None:
    """As if all schedules had been met first at that time."""
    async with runtime.session_factory() as db:
        for name, registered in runtime.registry.schedules.items():
            schedule = registered.schedule
            db.add(KnownSchedule(name=name, cron=schedule.cron, zone=schedule.zone, since=since))
        await db.commit()


async def fires_of(runtime: Runtime, schedule: str) -> list[ScheduleFire]:
    """The rows of its fire times, the earliest first."""
    async with runtime.session_factory() as db:
        found = await db.scalars(
            select(ScheduleFire)
            .where(ScheduleFire.schedule == f"lab.{schedule}")
            .order_by(ScheduleFire.fire_time)
        )
        return list(found)


async def outcomes_of(runtime: Runtime, schedule: str) -> dict[datetime, FireOutcome]:
    return {row.fire_time: row.outcome for row in await fires_of(runtime, schedule)}


async def run_ids(runtime: Runtime) -> list[UUID]:
    """All runs, the oldest first."""
    async with runtime.session_factory() as db:
        return list(await db.scalars(select(TaskRun.id).order_by(TaskRun.created_at)))


async def count_fires(runtime: Runtime) -> int:
    async with runtime.session_factory() as db:
        return await db.scalar(select(func.count()).select_from(ScheduleFire)) or 0
