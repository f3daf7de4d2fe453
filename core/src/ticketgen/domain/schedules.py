"""Fire times of schedules: what came of each, once over any number of processes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ForeignKey,
    String,
    UniqueConstraint,
    case,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from ticketgen.database import Base, new_id, statement_time, words
from ticketgen.domain.task_runs import ACTIVE_STATES, TaskRun

__all__ = [
    "FireOutcome",
    "KnownSchedule",
    "ScheduleFire",
    "active_run_of",
    "forget_fires",
    "hold_schedule",
    "known_schedules",
    "last_fires",
    "name_schedule_of_run",
    "record_fire",
    "record_fires",
    "remember_schedule",
]


class FireOutcome(StrEnum):
    """What came of one fire time."""

    STARTED = "started"
    OVERLAPPED = "overlapped"
    """An earlier run was still active, and nothing or a later fire time came in its place."""
    WAITING = "waiting"
    """An earlier run is still active; a run starts when it has ended."""
    MISSED = "missed"
    """Nobody was there in time, and the schedule's policy is to let it go."""
    REFUSED = "refused"
    """The run could not be started, and trying again would not help; the log says why."""


class KnownSchedule(Base):
    """A schedule as it was last seen: from when on its fire times count."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    cron: Mapped[str] = mapped_column(String(200))
    zone: Mapped[str] = mapped_column(String(100))
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    """When it was first seen, or was changed: no fire time before counts as missed."""


class ScheduleFire(Base):
    """One fire time of one schedule: the row that makes it fire once over all workers."""

    __tablename__ = "schedule_fires"
    __table_args__ = (UniqueConstraint("schedule", "fire_time"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    schedule: Mapped[str] = mapped_column(String(200))
    fire_time: Mapped[datetime]
    outcome: Mapped[FireOutcome] = mapped_column(words(FireOutcome), default=FireOutcome.STARTED)
    recorded_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    task_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="SET NULL"), index=True
    )
    """The run it started, or the one that was in its way."""


async def remember_schedule(db: AsyncSession, *, name: str, cron: str, zone: str) -> datetime:
    """Store a schedule as it is now, and say from when on its fire times count.

    That is the database's present time for one never seen before, or seen otherwise.
    """
    known = await db.get(KnownSchedule, name, populate_existing=True)
    if known is not None and (known.cron, known.zone) == (cron, zone):
        return known.since  # without a lock: who fires it at the moment has one
    new = insert(KnownSchedule).values(name=name, cron=cron, zone=zone)
    changed = or_(KnownSchedule.cron != new.excluded.cron, KnownSchedule.zone != new.excluded.zone)
    since: datetime | None = await db.scalar(
        new.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "cron": new.excluded.cron,
                "zone": new.excluded.zone,
                "since": case((changed, func.clock_timestamp()), else_=KnownSchedule.since),
            },
        ).returning(KnownSchedule.since)
    )
    assert since is not None, "an upsert without a condition always returns its row"  # noqa: S101
    return since


async def known_schedules(db: AsyncSession, names: Collection[str]) -> set[str]:
    """Which of these are stored."""
    return set(
        await db.scalars(select(KnownSchedule.name).where(KnownSchedule.name.in_(sorted(names))))
    )


async def hold_schedule(db: AsyncSession, name: str) -> bool:
    """Be the one who fires a schedule until the transaction ends; False if another is."""
    held = await db.scalar(
        select(KnownSchedule.name)
        .where(KnownSchedule.name == name)
        .with_for_update(skip_locked=True)
    )
    return held is not None


async def last_fires(db: AsyncSession, names: Collection[str]) -> dict[str, ScheduleFire]:
    """The row of the latest fire time of each of these schedules that has one, by its name."""
    listed = func.unnest(cast(sorted(names), ARRAY(String)))
    wanted = listed.table_valued("name").render_derived("wanted")
    latest = (
        select(ScheduleFire)
        .where(ScheduleFire.schedule == wanted.c.name)
        .order_by(ScheduleFire.fire_time.desc())
        .limit(1)
        .lateral()
    )
    fire = aliased(ScheduleFire, latest)
    found = await db.scalars(
        select(fire).select_from(wanted).join(latest, true()),
        execution_options={"populate_existing": True},
    )
    return {row.schedule: row for row in found}


async def record_fire(
    db: AsyncSession,
    *,
    schedule: str,
    fire_time: datetime,
    outcome: FireOutcome = FireOutcome.STARTED,
    task_id: UUID | None = None,
) -> ScheduleFire | None:
    """Claim one fire time, or settle one that waits: its row, or None if it was taken before."""
    new = insert(ScheduleFire).values(
        id=new_id(), schedule=schedule, fire_time=fire_time, outcome=outcome, task_id=task_id
    )
    return await db.scalar(
        new.on_conflict_do_update(
            index_elements=["schedule", "fire_time"],
            set_={
                "outcome": new.excluded.outcome,
                "task_id": new.excluded.task_id,
                "recorded_at": func.clock_timestamp(),
            },
            where=ScheduleFire.outcome == FireOutcome.WAITING,
        )
        .returning(ScheduleFire)
        .execution_options(populate_existing=True)
    )


async def record_fires(
    db: AsyncSession, *, schedule: str, fire_times: Sequence[datetime], outcome: FireOutcome
) -> None:
    """Claim several fire times that start nothing; those taken before stay as they are."""
    if not fire_times:
        return
    await db.execute(
        insert(ScheduleFire)
        .values(
            [
                {"id": new_id(), "schedule": schedule, "fire_time": time, "outcome": outcome}
                for time in fire_times
            ]
        )
        .on_conflict_do_nothing(index_elements=["schedule", "fire_time"])
    )


async def active_run_of(
    db: AsyncSession, schedule: str, *, or_run: UUID | None = None
) -> UUID | None:
    """The id of an active run that was started for the schedule, or of that other one."""
    return await db.scalar(
        select(TaskRun.id)
        .where(
            or_(TaskRun.schedule == schedule, TaskRun.id == or_run),
            TaskRun.state.in_(ACTIVE_STATES),
        )
        .order_by(TaskRun.created_at.desc())
        .limit(1)
    )


async def name_schedule_of_run(db: AsyncSession, run_id: UUID, schedule: str) -> None:
    """Store in a run which schedule started it."""
    await db.execute(update(TaskRun).where(TaskRun.id == run_id).values(schedule=schedule))


async def forget_fires(db: AsyncSession, *, older_than: timedelta, limit: int) -> int:
    """Delete at most so many fire times recorded longer ago, but the latest of each schedule.

    Returns how many there were.
    """
    newer = aliased(ScheduleFire)
    old = (
        select(ScheduleFire.id)
        .where(
            ScheduleFire.recorded_at < statement_time() - older_than,
            exists().where(
                newer.schedule == ScheduleFire.schedule, newer.fire_time > ScheduleFire.fire_time
            ),
        )
        .limit(limit)
    )
    deleted = await db.scalars(
        delete(ScheduleFire)
        .where(ScheduleFire.id.in_(old.scalar_subquery()))
        .returning(ScheduleFire.id)
        .execution_options(synchronize_session=False)
    )
    return len(deleted.all())
