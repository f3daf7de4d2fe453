"""What a check says about one place in the input, in words the person who owns it can act on."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

from ticketgen.errors import InvalidInputError
from ticketgen.storable import storable_text

__all__ = ["Blocker", "Finding", "FindingsError", "Severity"]


class Blocker(BaseModel):
    """One reason why something may not begin, with what to do about it."""

    code: str
    message: str
    recovery_actions: tuple[str, ...] = ()


class Severity(StrEnum):
    """How much a finding weighs."""

    ERROR = "error"
    """The ticket would be wrong; something has to change."""
    WARNING = "warning"
    """Unusual but legal; the user may go on."""


class Finding(BaseModel):
    """One problem at one place: what is wrong, where, and what to do about it.

    A finding points into a sheet (`file`, `row`, `column`) or into a document (`path`, a JSON
    pointer). `row` counts the records of a sheet from 1 for the header, as spreadsheets do;
    `value` is the offending text, cut to a displayable length by whoever reports it.
    """

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
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
            ]
        },
    )

    severity: Severity
    rule: str
    """Stable identifier of the rule, prefixed with the plugin's name: `processing.reference`."""
    message: str
    remedy: str
    """What the user can do about it, in one sentence."""
    file: str | None = None
    row: int | None = None
    column: str | None = None
    path: str | None = None
    value: str | None = None
    suggestions: tuple[str, ...] = ()
    """What was probably meant instead of `value`, the likeliest first; ready to be typed."""
    stands_for: int = 1
    """How many findings it is: more than one where a sheet has too many to name each."""

    @field_validator("*")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """Findings are stored together: one that Postgres refuses would cost all the others."""
        if type(value) is tuple:
            return tuple(storable_text(part) for part in value)
        return storable_text(value) if type(value) is str else value


class FindingsError(InvalidInputError):
    """The input was refused for all of these findings together."""

    code = "findings"

    def __init__(self, message: str, findings: tuple[Finding, ...]) -> None:
        super().__init__(
            message, recovery_actions=list(dict.fromkeys(finding.remedy for finding in findings))
        )
        self.findings = findings
