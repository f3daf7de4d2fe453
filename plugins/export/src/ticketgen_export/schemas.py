"""What an export is asked, what it is stored as, and what it answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ExportPayload", "ExportRequest", "ExportSummary", "FileView", "TargetView"]


class ExportRequest(BaseModel):
    """Where the tickets are to be sent."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"target": "file", "options": {}}]}
    )

    target: str = Field(default="file", description="One of GET /api/export/targets.")
    options: dict[str, Any] = Field(default={}, description="What the target asks for.")


class ExportPayload(BaseModel):
    """What a run needs to know: which verdict's documents go where."""

    schema_version: int = 2
    target: str
    options: dict[str, Any]
    validation_id: UUID
    project_key: str | None
    place: str | None = None
    """Which of the target's places it goes to; None in runs of the first version."""
    user_id: UUID | None = None


class ExportSummary(BaseModel):
    """What was exported."""

    target: str
    tickets_exported: int
    files: int = Field(description="Files to download.")
    manual_fixes: list[str] = Field(description="What a person has to mend by hand.")


class TargetView(BaseModel):
    """One place tickets can be sent to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "file",
                    "summary": "Files to download: ADF documents, tickets.jsonl and a CSV.",
                }
            ]
        }
    )

    name: str
    summary: str


class FileView(BaseModel):
    """One file of an export."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "tickets.jsonl", "media_type": "application/x-ndjson", "size": 48210}
            ]
        }
    )

    name: str
    media_type: str
    size: int = Field(description="Bytes.")
