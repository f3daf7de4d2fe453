"""The plugin's figures: what became of what was sent to other systems."""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen.domain import effects
from ticketgen.provides import HealthContext, Metric

__all__ = ["METRICS"]


async def _effects(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    counted = await effects.count_effects(context.db, plugin="export")
    return {(state,): count for state, count in counted.items()}


METRICS = (
    Metric(
        name="export_sent_tickets",
        summary="Tickets sent to targets that create something: done, counted as far as "
        f"{effects.COUNTED}, under way, outcome unknown.",
        read=_effects,
        labels=("outcome",),
    ),
)
