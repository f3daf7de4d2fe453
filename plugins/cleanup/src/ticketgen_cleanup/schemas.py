"""What a clean-up is stored as."""

from __future__ import annotations

from pydantic import BaseModel

__all__ = ["CleanupPayload"]


class CleanupPayload(BaseModel):
    """Nothing: the settings of the worker that runs it decide."""

    schema_version: int = 1
