"""What the plugin keeps of a session: the report on its sheets, acceptances, texts, their cost."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Numeric, String, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.users import User
from ticketgen.tables import new_id, table_registry

__all__ = ["Acceptance", "Base", "SheetReport", "StoredText", "WriterUsage"]


class Base(DeclarativeBase):
    """Of the tables of processing."""

    registry = table_registry()


class SheetReport(Base):
    """What the newest check of a session's sheets has found; each check replaces the last."""

    __tablename__ = "processing_reports"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey(WorkSession.id, ondelete="CASCADE"), primary_key=True
    )
    run_id: Mapped[UUID]
    """The check or the generation that made it."""
    sheets_digest: Mapped[str] = mapped_column(String(64))
    """Of names, types and contents of the files it is about: whether it is still true of them."""
    error_count: Mapped[int]
    """All that were found, also those beyond what is listed."""
    warning_count: Mapped[int]
    groups: Mapped[list[Any]] = mapped_column(JSONB)
    findings: Mapped[list[Any]] = mapped_column(JSONB, deferred=True)
    """As many of each group as are listed."""
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Components by group, rows by file."""
    made_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Acceptance(Base):
    """A person's word that the errors of a group are to stay as they are."""

    __tablename__ = "processing_acceptances"
    __table_args__ = (UniqueConstraint("session_id", "group_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey(WorkSession.id, ondelete="CASCADE"))
    group_id: Mapped[str] = mapped_column(String(100))
    label: Mapped[str] = mapped_column(Text)
    """What the group was called when it was accepted."""
    identities: Mapped[list[Any]] = mapped_column(JSONB)
    """Of the errors that were seen: others of the same group are not accepted by it."""
    reason: Mapped[str] = mapped_column(Text, default="")
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey(User.id, ondelete="SET NULL"))
    accepted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class StoredText(Base):
    """A text that was paid for, under the facts it was written from."""

    __tablename__ = "processing_texts"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey(WorkSession.id, ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the writer, the site and every fact of the component and those around it."""
    text: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """`user_story`, `success_criteria`, `notes`."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class WriterUsage(Base):
    """What one call of a writer has used up; never deleted while the session lives."""

    __tablename__ = "processing_usage"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey(WorkSession.id, ondelete="CASCADE"), index=True
    )
    run_id: Mapped[UUID]
    ticket_key: Mapped[str] = mapped_column(String(300))
    writer: Mapped[str] = mapped_column(String(50))
    model: Mapped[str] = mapped_column(String(100))
    requests: Mapped[int]
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    cost: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    """US dollars; None where nobody knows the price."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
