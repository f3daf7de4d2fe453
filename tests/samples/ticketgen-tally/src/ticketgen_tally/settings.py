"""What an operator can set."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

__all__ = ["TallySettings"]


class TallySettings(BaseSettings):
    """How words become points, and when they are counted; read as `TICKETGEN_TALLY_*`."""

    words_per_point: int = Field(default=120, ge=1, description="Words in one point of effort.")
    after_generation: bool = Field(
        default=True, description="Count a session as soon as its tickets are generated."
    )
    nightly_limit: int = Field(default=100, ge=1, description="Sessions counted in one night.")
