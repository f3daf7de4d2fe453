"""What a count is stored as, and what it answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CountPayload", "NightPayload", "ScaleView", "SessionCounts", "TallySummary"]


class CountPayload(BaseModel):
    """What is stored with a run: the scale at the time of the start."""

    schema_version: int = 1
    words_per_point: int


class NightPayload(BaseModel):
    """Nothing: the settings of the worker decide."""

    schema_version: int = 1


class TallySummary(BaseModel):
    """What a run answers."""

    tickets: int
    words: int
    points: int


class TicketCount(BaseModel):
    """The estimate of one ticket."""

    model_config = ConfigDict(from_attributes=True)

    ticket_key: str
    words: int
    points: int


class SessionCounts(BaseModel):
    """The estimate of a session, and of each of its tickets."""

    words: int
    points: int
    tickets: list[TicketCount]


class ScaleView(BaseModel):
    """What a point means."""

    words_per_point: int = Field(description="Words in one point of effort.")
