"""Which worker processes live, what they serve, and how busy they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sqlalchemy import String, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base

__all__ = [
    "WorkerProcess",
    "forget_dead_workers",
    "list_live_workers",
    "list_workers",
    "say_alive",
    "say_farewell",
]


class WorkerProcess(Base):
    """One worker process and when it last said that it lives."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    version: Mapped[str] = mapped_column(String(50))
    task_types: Mapped[list[Any]]
    max_jobs: Mapped[int]
    running: Mapped[int]
    """Runs in its hands."""
    plugins: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The plugins it serves: name → version of the distribution."""
    failed: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default=text("'{}'"))
    """The installed plugins that are out of use in it: name → `Problem.reason`."""
    lag: Mapped[float] = mapped_column(default=0.0)
    """Seconds its event loop was late when last asked; much of it: a handler blocks the loop."""
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    last_seen_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), index=True
    )
    stopped_at: Mapped[datetime | None]
    """When it said farewell; the row stays for a day, for whoever asks what it served."""


async def say_alive(
    db: AsyncSession,
    *,
    worker_id: UUID,
    host: str,
    pid: int,
    version: str,
    task_types: list[str],
    plugins: dict[str, str],
    max_jobs: int,
    running: int,
    lag: float,
    failed: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write that a worker lives now, and what it offers; `lag` is seconds.

    `plugins` is name → version, `failed` is name → why that plugin is out of use there.
    """
    changing = {
        "task_types": task_types,
        "plugins": plugins,
        "failed": dict(failed),
        "running": running,
        "lag": lag,
    }
    await db.execute(
        insert(WorkerProcess)
        .values(id=worker_id, host=host, pid=pid, version=version, max_jobs=max_jobs, **changing)
        .on_conflict_do_update(
            index_elements=["id"], set_={"last_seen_at": func.clock_timestamp(), **changing}
        )
    )


async def list_live_workers(db: AsyncSession, *, expiry: timedelta) -> list[WorkerProcess]:
    """The workers heard of within `expiry`, in order of their start."""
    return list(
        await db.scalars(
            select(WorkerProcess)
            .where(
                WorkerProcess.stopped_at.is_(None),
                WorkerProcess.last_seen_at > func.clock_timestamp() - expiry,
            )
            .order_by(WorkerProcess.started_at, WorkerProcess.id)
            .execution_options(populate_existing=True)
        )
    )


async def list_workers(db: AsyncSession) -> list[WorkerProcess]:
    """Every worker that was heard of within a day, stopped and silent ones too, by their start."""
    return list(
        await db.scalars(
            select(WorkerProcess)
            .order_by(WorkerProcess.started_at, WorkerProcess.id)
            .execution_options(populate_existing=True)
        )
    )


async def forget_dead_workers(db: AsyncSession) -> None:
    """Remove workers that have been silent for a day: stopped or killed, they never come back."""
    await db.execute(
        delete(WorkerProcess).where(
            WorkerProcess.last_seen_at < func.clock_timestamp() - timedelta(days=1)
        )
    )


async def say_farewell(db: AsyncSession, worker_id: UUID) -> None:
    """Write that a worker has stopped and handed its runs back."""
    await db.execute(
        update(WorkerProcess)
        .where(WorkerProcess.id == worker_id)
        .values(stopped_at=func.clock_timestamp(), running=0)
        .execution_options(synchronize_session=False)
    )
