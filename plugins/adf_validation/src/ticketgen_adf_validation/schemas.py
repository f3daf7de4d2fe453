"""What a validation is stored as, and what it answers."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from ticketgen import Finding

__all__ = ["TicketResult", "ValidatePayload", "ValidationReport", "ValidationSummary"]


class ValidatePayload(BaseModel):
    """Nothing beside the session: the run reads what it validates itself."""

    schema_version: int = 1


class ValidationSummary(BaseModel):
    """The verdict on a session."""

    passed: bool
    tickets_checked: int
    tickets_failed: int
    errors: int
    warnings: int
    content_revision: int = Field(description="The revision of the tickets it holds for.")


class TicketResult(BaseModel):
    """The result for one ticket."""

    ticket_id: UUID
    passed: bool
    findings: list[Finding]


class ValidationReport(BaseModel):
    """The last verdict, ticket by ticket."""

    passed: bool
    fresh: bool = Field(description="False: a ticket was changed since; validate again.")
    tickets_checked: int
    tickets_failed: int
    created_at: datetime
    tickets: list[TicketResult]
