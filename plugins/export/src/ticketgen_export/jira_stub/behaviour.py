"""How the stand-in behaves where Jira leaves it to chance: lag, latency, limits, lifetimes."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Behaviour"]

_Span = Annotated[timedelta, Ge(timedelta(0))]


class Behaviour(BaseModel):
    """What may be set while it runs; in JSON every duration is a number of seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")

    index_lag: _Span = timedelta(0)
    """From a change until search sees it; direct reads see it at once."""
    latency_min: _Span = timedelta(0)
    latency_max: _Span = timedelta(0)
    """Each request takes a time between the two, drawn by the seed; a create takes it between
    the number and the commit."""
    requests_per_second: Annotated[int, Ge(1)] | None = None
    """More than these in a second are answered with 429; None is no limit."""
    attachment_limit: Annotated[int, Ge(0)] = 10_485_760
    """Bytes of one file; a larger one is answered with 413."""
    access_token_life: _Span = timedelta(hours=1)
    refresh_token_life: _Span = timedelta(days=90)
    refresh_leeway: _Span = timedelta(0)
    """For so long a used refresh token is still taken; after that its family is revoked."""
    code_life: _Span = timedelta(minutes=5)
    consent: Literal["allow", "deny"] = Field(default="allow")
    """What the person says on the page of consent, which is not shown."""
