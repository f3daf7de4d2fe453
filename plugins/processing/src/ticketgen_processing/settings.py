"""What an operator can set for this plugin, each with the prefix `TICKETGEN_PROCESSING_`."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field
from pydantic_settings import BaseSettings

__all__ = ["ProcessingSettings"]


class ProcessingSettings(BaseSettings):
    """Settings of the plugin `processing`."""

    budget: Decimal = Field(
        default=Decimal(10),
        ge=0,
        description="US dollars that the writers of one session may spend, all its runs together.",
    )
