"""What a generation is asked, what it is stored as, and what it answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from ticketgen import Finding

__all__ = ["FindingsReport", "GeneratePayload", "GenerateRequest", "GenerateSummary"]


class GenerateRequest(BaseModel):
    """How the tickets are to be generated."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"replace_edited": True}]}
    )

    replace_edited: bool = Field(
        default=False, description="Generate anew although tickets were edited; edits are lost."
    )


class GeneratePayload(BaseModel):
    """What a run needs to know beside the uploads, which it reads itself."""

    schema_version: int = 1
    writer: str
    project_name: str
    description: str


class GenerateSummary(BaseModel):
    """What was generated."""

    tickets_generated: int
    groups: dict[str, int] = Field(description="Entity group to number of tickets.")
    files: dict[str, int] = Field(description="File to number of rows that reached a ticket.")
    errors: int = Field(description="Findings with severity error; they stop nothing.")
    warnings: int
    dependencies: int


class FindingsReport(BaseModel):
    """Everything worth a look in the sheets, by file and row."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "errors": 0,
                    "warnings": 1,
                    "findings": [
                        {
                            "severity": "warning",
                            "rule": "processing.machine_name",
                            "message": "“event type” is unusual for a machine name.",
                            "remedy": "Use lower case letters, digits and underscores.",
                            "file": "Bundles.csv",
                            "row": 7,
                            "column": "Machine name",
                            "value": "event type",
                        }
                    ],
                }
            ]
        }
    )

    errors: int
    warnings: int
    findings: list[Finding]
