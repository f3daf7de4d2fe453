"""The plugin's figures: what is past its retention and still there."""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen.domain import audit, secrets, sessions, tokens
from ticketgen.provides import HealthContext, Metric

__all__ = ["METRICS"]

_COUNTED = 10_000


async def _overdue(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    db, settings = context.db, context.settings
    return {
        ("expired_sessions",): await sessions.count_expired_sessions(
            db, retention=settings.session_retention, limit=_COUNTED
        ),
        ("audit_logs",): await audit.count_old_entries(
            db, retention=settings.audit_retention, limit=_COUNTED
        ),
        ("expired_tokens",): await tokens.count_expired_tokens(
            db, grace=settings.token_grace, limit=_COUNTED
        ),
        ("expired_secrets",): await secrets.count_expired_secrets(
            db, grace=settings.token_grace, limit=_COUNTED
        ),
    }


METRICS = (
    Metric(
        name="cleanup_overdue",
        summary=f"What the next clean-up of each kind deletes; counted as far as {_COUNTED}.",
        read=_overdue,
        labels=("kind",),
    ),
)
