"""What the plugin's routes answer with: reports on sheets, estimates, costs, writers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ticketgen import Finding, Severity
from ticketgen_processing import examples

__all__ = [
    "AcceptRequest",
    "AcceptanceView",
    "EstimateView",
    "FindingGroupView",
    "GroupedFinding",
    "ModelUsage",
    "ReportView",
    "SheetColumnView",
    "SheetTypeView",
    "UsageView",
    "ValueCount",
    "WriterHealthView",
    "WriterView",
    "group_view",
]


class AcceptanceView(BaseModel):
    """Who lets the errors of a group stay as they are, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ACCEPTANCE]})

    by: str | None = Field(description="Null: the account is gone.")
    at: datetime
    reason: str


class ValueCount(BaseModel):
    """What stands in cells, and in how many."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.VALUE_COUNT]})

    value: str
    count: int


class FindingGroupView(BaseModel):
    """All findings of one rule in one column of one file: judged, mended and accepted together."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.GROUP]})

    id: str = Field(description="The same for every check of the same sheets.")
    rule: str
    severity: Severity
    file: str | None
    column: str | None
    title: str = Field(description="What they have in common.")
    remedy: str
    count: int
    rows: list[int] = Field(description="The first ones.")
    values: list[ValueCount] = Field(description="The most frequent ones.")
    suggestions: list[str] = Field(description="What was probably meant.")
    open_errors: int = Field(description="Errors that nobody has accepted; they stop a generation.")
    accepted: AcceptanceView | None


class ReportView(BaseModel):
    """What the newest check of the sheets has found, by kind."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.REPORT]})

    session_id: UUID
    task_id: UUID = Field(description="The check or the generation that made it.")
    made_at: datetime
    stale: bool = Field(description="Whether the files have changed since: check again.")
    errors: int
    accepted_errors: int
    open_errors: int = Field(description="Errors that nobody has accepted; they stop a generation.")
    warnings: int
    components: int = Field(description="Tickets that the sheets are good for.")
    entity_groups: dict[str, int] = Field(description="Entity group to number of tickets.")
    groups: list[FindingGroupView]


class GroupedFinding(Finding):
    """One finding, with the id of its group."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.FINDING]})

    group: str


class AcceptRequest(BaseModel):
    """Which groups of errors are to stay as they are."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"groups": ["reference-fields-3f2a51"], "reason": "Comes in phase 2."}]
        },
    )

    groups: list[str] = Field(min_length=1, max_length=1_000)
    reason: str = Field(default="", max_length=2_000, description="For whoever reads it later.")


class EstimateView(BaseModel):
    """What a generation would take, by the newest check of the sheets."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ESTIMATE]})

    writer: str
    tickets: int
    texts_known: int = Field(description="Texts that were paid for before, and are used again.")
    texts_to_write: int
    input_tokens: int
    output_tokens: int
    cost: Decimal | None = Field(description="US dollars; null: nobody knows the price.")
    duration_seconds: float
    budget: Decimal = Field(description="US dollars that the session may cost in all.")
    spent: Decimal = Field(description="US dollars so far, as far as prices are known.")
    within_budget: bool | None = Field(description="Null: nobody knows the price.")
    checked_at: datetime


class ModelUsage(BaseModel):
    """What one model has used up in a session."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.MODEL_USAGE]}
    )

    writer: str
    model: str
    texts: int
    requests: int
    input_tokens: int
    output_tokens: int
    cost: Decimal = Field(description="US dollars, as far as prices are known.")
    unpriced: int = Field(description="Texts whose price nobody knows.")


class UsageView(BaseModel):
    """What the writers of a session have used up."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.USAGE]})

    cost: Decimal = Field(description="US dollars, as far as prices are known.")
    budget: Decimal
    models: list[ModelUsage]


class WriterView(BaseModel):
    """Somebody who can write the words of tickets."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WRITER]})

    name: str
    summary: str
    paid: bool = Field(description="Its texts are kept and its costs are counted.")
    plugin: str


class WriterHealthView(BaseModel):
    """Whether a writer could write now; the answer may be five minutes old."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.WRITER_HEALTH]}
    )

    ready: bool
    message: str
    recovery_actions: list[str]
    for_admin: bool


class SheetColumnView(BaseModel):
    """One column of a type of sheet."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [examples.COLUMN]}
    )

    name: str
    aliases: list[str] = Field(description="Other headers it is known by.")
    required: bool


class SheetTypeView(BaseModel):
    """One type of sheet that can be read."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SHEET_TYPE]})

    name: str
    label: str
    plugin: str
    file_stems: list[str] = Field(description="Endings of file names it is recognised by.")
    columns: list[SheetColumnView]


def group_view(
    group: Mapping[str, Any], accepted: frozenset[str], acceptance: AcceptanceView | None
) -> FindingGroupView:
    """A stored group, and how many of its errors are still open."""
    identities: Mapping[str, int] = group["identities"]
    return FindingGroupView(
        **{name: value for name, value in group.items() if name != "identities"},
        open_errors=sum(count for name, count in identities.items() if name not in accepted),
        accepted=acceptance,
    )
