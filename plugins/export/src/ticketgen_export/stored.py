"""What the plugin keeps of exports: what became of each ticket, in each place it was sent to."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ticketgen.domain.sessions import WorkSession
from ticketgen.tables import table_registry

__all__ = ["Base", "ExportResult", "StoredFacts"]


class Base(DeclarativeBase):
    """Of the tables of export."""

    registry = table_registry()


class ExportResult(Base):
    """What became of one ticket in one place; a ticket that is deleted keeps its result."""

    __tablename__ = "export_results"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey(WorkSession.id, ondelete="CASCADE"), primary_key=True
    )
    target: Mapped[str] = mapped_column(String(100), primary_key=True)
    place: Mapped[str] = mapped_column(String(100), primary_key=True)
    ticket_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str] = mapped_column(Text)
    """As it was sent."""
    reference: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    manual_fixes: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    """Of the ticket itself and of what belongs to it."""
    closing_fixes: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    """Of what the end of the export adds: links."""
    run_id: Mapped[UUID]
    """The run that sent it, or that last added to it."""
    sent_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    completed_at: Mapped[datetime | None]
    """When everything that belongs to it was there too."""


class StoredFacts(Base):
    """What was last read of the project a session exports to, so that not every look asks again."""

    __tablename__ = "export_project_facts"

    session_id: Mapped[UUID] = mapped_column(
        ForeignKey(WorkSession.id, ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the connection, the project's key and the options the facts depend on."""
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    people: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """Names of assignees → account ids; null where nobody is known by the name."""
    read_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
