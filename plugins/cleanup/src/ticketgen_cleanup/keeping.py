"""For how long the plugin keeps sessions that nobody works on."""

from __future__ import annotations

from datetime import timedelta

from ticketgen.provides import SessionRetention
from ticketgen_cleanup.settings import CleanupSettings

__all__ = ["SESSION_RETENTION"]


def _period(settings: CleanupSettings) -> timedelta:
    return settings.session_retention


SESSION_RETENTION = SessionRetention(
    name="cleanup.expired_sessions",
    summary="Sessions that are not completed, after the last work on them.",
    period=_period,
)
