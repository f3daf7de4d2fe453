"""Steps: results of a run's parts, stored once so that the next attempt goes on from there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base

__all__ = ["RunStep", "delete_steps", "load_step", "save_step"]


class RunStep(Base):
    """The stored result of one step of a lineage of runs."""

    __tablename__ = "run_steps"

    lineage_id: Mapped[UUID] = mapped_column(
        ForeignKey("session_tasks.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    result: Mapped[dict[str, Any]]
    """An object with the one member `value`."""


async def load_step(db: AsyncSession, *, lineage_id: UUID, key: str) -> dict[str, Any] | None:
    """The stored step as an object with the member `value`, or None if it has not been done."""
    return await db.scalar(
        select(RunStep.result).where(RunStep.lineage_id == lineage_id, RunStep.key == key)
    )


async def save_step(db: AsyncSession, *, lineage_id: UUID, key: str, value: Any) -> None:
    """Store the result of a step; it is written once."""
    db.add(RunStep(lineage_id=lineage_id, key=key, result={"value": value}))
    await db.flush()


async def delete_steps(db: AsyncSession, lineage_id: UUID) -> None:
    """Forget every step of a lineage: whoever tries it again begins at the beginning."""
    await db.execute(delete(RunStep).where(RunStep.lineage_id == lineage_id))
