"""The plugin's figures: how far the sessions have come."""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen.domain import sessions
from ticketgen.provides import HealthContext, Metric

__all__ = ["METRICS"]


async def _sessions(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    counted = await sessions.count_by_stage(context.db)
    return {(str(stage),): count for stage, count in counted.items()}


METRICS = (
    Metric(
        name="processing_sessions",
        summary="Sessions by the stage they are in.",
        read=_sessions,
        labels=("stage",),
    ),
)
