"""What a validation is stored as, and what it answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ticketgen import Finding

__all__ = [
    "FixReport",
    "FixRequest",
    "FixedTicket",
    "FoundProblem",
    "MarkdownAnswer",
    "MarkdownRequest",
    "TicketResult",
    "ValidatePayload",
    "ValidationReport",
    "ValidationSummary",
]

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
            "fixable": False,
        }
    ],
}
_FIXED: Final[dict[str, Any]] = {
    "ticket_id": "019ac0de-0000-7000-8000-000000000005",
    "key": "bundles/node/event",
    "revision": 4,
    "rules": ["adf_validation.characters"],
    "before": "The machine name is `ev\u200bent`.",
    "after": "The machine name is `event`.",
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


class FoundProblem(Finding):
    """A finding, and whether POST …/fix puts it right."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT["findings"][0]]})

    fixable: bool = Field(description="Whether it can be fixed for certain, without asking.")


class TicketResult(BaseModel):
    """The result for one ticket."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RESULT]})

    ticket_id: UUID
    passed: bool
    findings: list[FoundProblem]


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


class FixRequest(BaseModel):
    """Which of the certain fixes are to be made; without a choice all of them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"rules": ["adf_validation.invisible_character"], "dry_run": True}]
        },
    )

    ticket_ids: list[UUID] | None = Field(
        default=None, max_length=500, description="In these tickets only."
    )
    rules: list[str] | None = Field(
        default=None, max_length=100, description="Of these rules only, by their names."
    )
    dry_run: bool = Field(default=False, description="Tell what would change, and change nothing.")
    limit: int = Field(default=100, ge=1, le=500, description="In so many tickets at most.")


class FixedTicket(BaseModel):
    """What was, or would be, put right in one ticket."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FIXED]})

    ticket_id: UUID
    key: str
    revision: int = Field(description="The ticket's revision after that.")
    rules: list[str] = Field(description="Of what was put right.")
    before: str = Field(description="The description as it was, Markdown.")
    after: str


class FixReport(BaseModel):
    """What was, or would be, put right; validate again to get a new verdict."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"dry_run": False, "tickets": [_FIXED], "left": 0}]}
    )

    dry_run: bool
    tickets: list[FixedTicket] = Field(description="Those that change, in the order of work.")
    left: int = Field(description="Tickets not looked at because of the limit; ask again.")


class MarkdownRequest(BaseModel):
    """A description as Jira keeps it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "document": {
                        "version": 1,
                        "type": "doc",
                        "content": [
                            {
                                "type": "paragraph",
                                "content": [{"type": "text", "text": "Only this."}],
                            }
                        ],
                    }
                }
            ]
        },
    )

    document: Any = Field(description="An ADF document: the field `description` of an issue.")


class MarkdownAnswer(BaseModel):
    """The same description as a ticket has it here."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"markdown": "Only this.\n"}]})

    markdown: str
