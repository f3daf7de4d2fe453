"""What the plugin shows to whoever runs the host: one gauge, and whether its table is there."""

from __future__ import annotations

from collections.abc import Mapping

from ticketgen.provides import HealthCheck, HealthContext, Metric
from ticketgen_tally import counts

__all__ = ["COUNTS", "WORDS"]


async def _words(context: HealthContext) -> Mapping[tuple[str, ...], float]:
    found = await counts.words_by_type(context.db)
    return {(csv_type,): float(words) for csv_type, words in found.items()}


WORDS = Metric(
    name="tally_words",
    summary="Words in all tickets that have been counted.",
    labels=("csv_type",),
    read=_words,
)


async def _readable(context: HealthContext) -> str | None:
    if await counts.is_readable(context.db):
        return None
    return "The table tally_counts is not there; run `ticketgen db upgrade`."


COUNTS = HealthCheck(name="counts", check=_readable)
