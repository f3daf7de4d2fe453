"""How long things are kept."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings

from ticketgen import Duration

__all__ = ["CleanupSettings"]


class CleanupSettings(BaseSettings):
    """Retention, by the founding specification's figures; read as `TICKETGEN_CLEANUP_*`."""

    session_retention: Duration = Field(
        default=timedelta(days=7), description="Sessions that are not completed."
    )
    audit_retention: Duration = Field(default=timedelta(days=90), description="Audit entries.")
    token_grace: Duration = Field(
        default=timedelta(days=30),
        description="Tokens and sealed secrets, after they expired or were revoked.",
    )
    batch_size: int = Field(default=200, ge=1, le=10_000, description="Rows deleted at once.")
