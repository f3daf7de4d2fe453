"""The CSV files of a session, bytes and all: API and worker may be two machines."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    LargeBinary,
    String,
    UniqueConstraint,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id
from ticketgen.errors import NotFoundError

__all__ = [
    "Stored",
    "Upload",
    "delete_replaced",
    "delete_uploads",
    "get_upload",
    "list_uploads",
    "put_upload",
    "read_content",
    "usage",
]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What one stored sheet takes of a session's room."""

    file: str
    """The uploaded file it came with: itself, or its workbook."""
    size: int
    """Bytes."""
    rows: int


class Upload(Base):
    """One uploaded file; a second upload of the same name replaces the first."""

    __tablename__ = "uploads"
    __table_args__ = (UniqueConstraint("session_id", "file_name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    file_name: Mapped[str] = mapped_column(String(300))
    """Also the name of a sheet of a workbook: `{workbook}/{name of the sheet}`."""
    workbook: Mapped[str | None] = mapped_column(String(255))
    """The uploaded file this is a sheet of; None for a file of its own."""
    csv_type: Mapped[str] = mapped_column(String(50))
    confidence: Mapped[float] = mapped_column(default=1.0)
    """How sure the type is, from 0 to 1; 1 if a person chose it."""
    detected_by: Mapped[str] = mapped_column(String(30), default="chosen")
    """`file name and header`, `file name`, `header` or `chosen`."""
    encoding: Mapped[str] = mapped_column(String(40), default="")
    """Of the uploaded file: `utf-8`, `windows-1252`, `xlsx`; empty where it was not noted."""
    row_count: Mapped[int]
    """Records below the header, blank ones left out."""
    size: Mapped[int]
    """Bytes."""
    sha256: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


async def put_upload(
    db: AsyncSession,
    *,
    session_id: UUID,
    file_name: str,
    csv_type: str,
    row_count: int,
    content: bytes,
    workbook: str | None = None,
    confidence: float = 1.0,
    detected_by: str = "chosen",
    encoding: str = "",
) -> Upload:
    """Store a file under its name, in place of one that had the name before."""
    upload = await db.scalar(
        select(Upload).where(Upload.session_id == session_id, Upload.file_name == file_name)
    )
    if upload is None:
        upload = Upload(session_id=session_id, file_name=file_name)
        db.add(upload)
    upload.csv_type = csv_type
    upload.row_count = row_count
    upload.workbook = workbook
    upload.confidence = confidence
    upload.detected_by = detected_by
    upload.encoding = encoding
    upload.size = len(content)
    upload.sha256 = hashlib.sha256(content).hexdigest()
    upload.content = content
    await db.flush()
    return upload


async def get_upload(db: AsyncSession, *, session_id: UUID, upload_id: UUID) -> Upload:
    """One file of the session.

    Raises:
        NotFoundError: the session has no such file.
    """
    upload = await db.scalar(
        select(Upload).where(Upload.id == upload_id, Upload.session_id == session_id)
    )
    if upload is None:
        raise NotFoundError(
            f"The session has no upload {upload_id}.",
            recovery_actions=["List its files with GET /api/sessions/{session_id}/uploads."],
        )
    return upload


async def list_uploads(db: AsyncSession, session_id: UUID) -> list[Upload]:
    """The session's files by name, without their bytes."""
    return list(
        await db.scalars(
            select(Upload).where(Upload.session_id == session_id).order_by(Upload.file_name)
        )
    )


async def read_content(db: AsyncSession, upload: Upload) -> bytes:
    """The bytes of a file, which are not read with the rest of it."""
    await db.refresh(upload, ["content"])
    return upload.content


async def usage(db: AsyncSession, session_id: UUID) -> dict[str, Stored]:
    """Name of the sheet → the room it takes, for every sheet of the session."""
    rows = await db.execute(
        select(Upload.file_name, Upload.workbook, Upload.size, Upload.row_count).where(
            Upload.session_id == session_id
        )
    )
    return {
        name: Stored(file=workbook or name, size=size, rows=row_count)
        for name, workbook, size, row_count in rows
    }


async def delete_replaced(
    db: AsyncSession, *, session_id: UUID, files: Collection[str], keep: Collection[str]
) -> list[str]:
    """Remove what came with earlier uploads of the same files, but for the sheets to keep.

    Answers with the names of the sheets that are gone.
    """
    gone = await db.scalars(
        delete(Upload)
        .where(
            Upload.session_id == session_id,
            or_(Upload.file_name.in_(files), Upload.workbook.in_(files)),
            Upload.file_name.not_in(keep),
        )
        .returning(Upload.file_name)
    )
    return sorted(gone)


async def delete_uploads(db: AsyncSession, session_id: UUID) -> None:
    """Remove every file of the session."""
    await db.execute(delete(Upload).where(Upload.session_id == session_id))
