"""Fire times of schedules: each is claimed once, over any number of workers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id

__all__ = ["ScheduleFire", "record_fire"]


class ScheduleFire(Base):
    """One fire time of one schedule: the row that makes it fire once over all workers."""

    __tablename__ = "schedule_fires"
    __table_args__ = (UniqueConstraint("schedule", "fire_time"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    schedule: Mapped[str] = mapped_column(String(200))
    fire_time: Mapped[datetime]
    task_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="SET NULL")
    )


async def record_fire(db: AsyncSession, *, schedule: str, fire_time: datetime) -> UUID | None:
    """Claim one fire time of a schedule: the id of the row, or None if it was claimed before."""
    return await db.scalar(
        insert(ScheduleFire)
        .values(id=new_id(), schedule=schedule, fire_time=fire_time)
        .on_conflict_do_nothing(index_elements=["schedule", "fire_time"])
        .returning(ScheduleFire.id)
    )
