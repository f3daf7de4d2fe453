"""The CSV files of a session, bytes and all: API and worker may be two machines."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, LargeBinary, String, UniqueConstraint, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id
from ticketgen.errors import NotFoundError

__all__ = [
    "Upload",
    "delete_uploads",
    "get_upload",
    "list_uploads",
    "put_upload",
    "read_uploads",
    "usage",
]


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


async def read_uploads(db: AsyncSession, session_id: UUID) -> dict[str, tuple[str, bytes]]:
    """File name → (CSV type, bytes) of every file of the session, by name."""
    rows = await db.execute(
        select(Upload.file_name, Upload.csv_type, Upload.content)
        .where(Upload.session_id == session_id)
        .order_by(Upload.file_name)
    )
    return {name: (csv_type, content) for name, csv_type, content in rows}


async def usage(db: AsyncSession, session_id: UUID) -> dict[str, int]:
    """File name → bytes, for every file of the session."""
    rows = await db.execute(
        select(Upload.file_name, Upload.size).where(Upload.session_id == session_id)
    )
    return dict(rows.all())


async def delete_uploads(db: AsyncSession, session_id: UUID) -> None:
    """Remove every file of the session."""
    await db.execute(delete(Upload).where(Upload.session_id == session_id))
