"""What the plugin's tasks are asked, what they are stored as, and what they answer."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "CheckPayload",
    "CheckSummary",
    "GeneratePayload",
    "GenerateRequest",
    "GenerateSummary",
    "RegeneratePayload",
    "RegenerateRequest",
    "RegenerateSummary",
]

Edits = Literal["ask", "keep", "drop"]
Dollars = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]


class CheckPayload(BaseModel):
    """What a check needs to know for its estimate, beside the uploads, which it reads itself."""

    schema_version: int = 1
    writer: str
    project_name: str
    description: str


class CheckSummary(BaseModel):
    """What a check has found."""

    components: int = Field(description="Tickets that would be made.")
    groups: dict[str, int] = Field(description="Entity group to number of components.")
    errors: int
    accepted_errors: int = Field(description="Those of the errors that stop nothing.")
    warnings: int


class GenerateRequest(BaseModel):
    """How the tickets are to be generated."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"edits": "keep"}]})

    edits: Edits = Field(
        default="ask",
        description="What becomes of words that a person has edited: `keep` them, `drop` them, or "
        "`ask`: 409 if there are any. Assignees, sprints and dependencies made by hand are kept.",
    )
    budget: Dollars | None = Field(
        default=None,
        description="US dollars at which this run stops; at most what is left of the session's.",
    )


class GeneratePayload(BaseModel):
    """What a run needs to know beside the uploads, which it reads itself."""

    schema_version: int = 2
    writer: str
    project_name: str
    description: str
    edits: Edits = "drop"
    budget: Decimal | None = None


class GenerateSummary(BaseModel):
    """What was generated."""

    tickets_generated: int
    groups: dict[str, int] = Field(description="Entity group to number of tickets.")
    files: dict[str, int] = Field(description="File to number of rows that reached a ticket.")
    errors: int = Field(description="Findings with severity error, all of them accepted.")
    warnings: int
    dependencies: int
    edits_kept: int = Field(default=0, description="Tickets that keep the words of a person.")
    edits_outdated: int = Field(
        default=0, description="Of them, those of which the sheets say something else by now."
    )
    tickets_deleted: int = Field(
        default=0, description="Tickets of which the sheets have no component any more."
    )
    texts_reused: int = Field(default=0, description="Texts that were paid for before.")
    texts_written: int = Field(default=0, description="Texts that were paid for now.")
    cost: Decimal = Field(default=Decimal(0), description="US dollars, as far as prices are known.")


class RegenerateRequest(BaseModel):
    """Which ticket is to be written anew, and what becomes of its edits."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "ticket_id": "019ac0de-0000-7000-8000-000000000002",
                    "revision": 3,
                    "edits": "drop",
                }
            ]
        },
    )

    ticket_id: UUID
    revision: int = Field(description="The ticket's revision this is based on.")
    edits: Literal["keep", "drop"] = Field(
        description="Whether the title and description of a person stay."
    )


class RegeneratePayload(BaseModel):
    """What a run needs to know to write one ticket anew."""

    schema_version: int = 1
    ticket_id: UUID
    ticket_key: str
    revision: int
    edits: Literal["keep", "drop"]
    writer: str
    project_name: str
    description: str


class RegenerateSummary(BaseModel):
    """What became of the ticket."""

    ticket_id: UUID
    revision: int
    edits_kept: bool
    cost: Decimal
