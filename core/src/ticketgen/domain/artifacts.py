"""Files that runs make for people to download; their bytes live in Postgres."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id

__all__ = ["Artifact", "list_artifacts", "put_artifact", "read_artifact", "read_artifacts"]


class Artifact(Base):
    """One file of one lineage of runs; its name is a relative path with `/`."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("lineage_id", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("sessions.id", ondelete="CASCADE"), index=True
    )
    lineage_id: Mapped[UUID]
    """The run that began the work, so that a retry completes what it left."""
    name: Mapped[str] = mapped_column(String(300))
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int]
    """Bytes."""
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


async def put_artifact(
    db: AsyncSession,
    *,
    session_id: UUID,
    lineage_id: UUID,
    name: str,
    media_type: str,
    content: bytes,
) -> None:
    """Store a file; a second one of the same lineage and name takes the place of the first."""
    row = {
        "session_id": session_id,
        "media_type": media_type,
        "size": len(content),
        "content": content,
    }
    await db.execute(
        insert(Artifact)
        .values(id=new_id(), lineage_id=lineage_id, name=name, **row)
        .on_conflict_do_update(index_elements=["lineage_id", "name"], set_=row)
    )


async def list_artifacts(db: AsyncSession, lineage_id: UUID) -> list[Artifact]:
    """The files of a lineage by name, without their bytes."""
    return list(
        await db.scalars(
            select(Artifact).where(Artifact.lineage_id == lineage_id).order_by(Artifact.name)
        )
    )


async def read_artifact(db: AsyncSession, lineage_id: UUID, name: str) -> bytes | None:
    """The bytes of one file of a lineage, if there is one of that name."""
    return await db.scalar(
        select(Artifact.content).where(Artifact.lineage_id == lineage_id, Artifact.name == name)
    )


async def read_artifacts(db: AsyncSession, lineage_id: UUID) -> dict[str, bytes]:
    """Name → bytes of every file of a lineage, by name."""
    rows = await db.execute(
        select(Artifact.name, Artifact.content)
        .where(Artifact.lineage_id == lineage_id)
        .order_by(Artifact.name)
    )
    return dict(rows.all())
