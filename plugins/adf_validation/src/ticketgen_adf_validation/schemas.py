"""What a validation is stored as, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ticketgen import Finding

__all__ = ["TicketResult", "ValidatePayload", "ValidationReport", "ValidationSummary"]

_RESULT: Final[dict[str, Any]] = {
    "ticket_id": "019ac0de-0000-7000-8000-000000000005",
    "passed": False,
    "findings": [
        {
            "severity": "error",
            "rule": "adf_validation.too_long",
            "message": "The description is longer than Jira takes.",
            "remedy": "Shorten it.",
            "path": "",
            "value": "41200",
        }
    ],
}


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

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT]})

    ticket_id: UUID
    passed: bool
    findings: list[Finding]


class ValidationReport(BaseModel):
    """The last verdict, ticket by ticket."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "passed": False,
                    "fresh": True,
                    "tickets_checked": 2,
                    "tickets_failed": 1,
                    "created_at": "2026-03-02T09:25:10Z",
                    "tickets": [_RESULT],
                }
            ]
        }
    )

    passed: bool
    fresh: bool = Field(description="False: a ticket was changed since; validate again.")
    tickets_checked: int
    tickets_failed: int
    created_at: datetime
    tickets: list[TicketResult]
