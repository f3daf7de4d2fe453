"""How large a campaign on exports is, and how rough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from benchmarks.chaos.shape import Shape, Span, long_shape, short_shape

__all__ = ["ExportShape", "long_export", "short_export"]


@dataclass(frozen=True, kw_only=True)
class ExportShape:
    """Everything about a campaign but its seed. Durations are seconds."""

    host: Shape
    """Workers, leases, and the manners of the troubles."""
    sessions: int
    tickets: int
    """Of all sessions together, at least."""
    projects: int
    """Fewer than sessions: several export to the same one, and their numbers mingle."""
    index_lag: float
    """From a change in the stand-in until its search sees it; longer than the ledger waits before
    it looks, so that only direct reads find what is new."""
    latency: float
    """The most that the stand-in takes for an answer where nothing is wrong."""
    longest_delay: float
    """Of a late commit, from the request; the ledger waits for the time limit and 5 s more."""
    fault_rate: float
    """Of all requests, how many something goes wrong with by chance."""
    storm: int
    """Requests in a row that are answered with 429."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Settings of the export, for workers and API."""


def _environment(*, timeout: float, pace: float, index_lag: float) -> dict[str, str]:
    return {
        "TICKETGEN_EXPORT_JIRA_INDEX_LAG": str(index_lag + 2),
        "TICKETGEN_EXPORT_JIRA_TIMEOUT": str(timeout),
        "TICKETGEN_EXPORT_JIRA_PACE": str(pace),
        "TICKETGEN_EXPORT_LONGEST_PAUSE": "5",
        "TICKETGEN_EXPORT_PATIENCE": "20",
    }


def long_export(
    *, sessions: int = 20, tickets: int = 320, seconds: float = 330, workers: int = 4
) -> ExportShape:
    """Minutes long, with short leases: what matters here is what a dead attempt leaves behind."""
    host = short_shape(runs=0, seconds=seconds, workers=workers)
    return ExportShape(
        host=replace(
            host,
            max_jobs=4,
            pause=Span(least=2.0, most=4.5),
            freeze=Span(least=1, most=14),
            outage=Span(least=0.3, most=3),
            restart=Span(least=0.1, most=1),
            settle_within=long_shape().settle_within,
        ),
        sessions=sessions,
        tickets=tickets,
        projects=max(1, sessions // 4),
        index_lag=14,
        latency=0.05,
        longest_delay=4.5,
        fault_rate=0.05,
        storm=25,
        environment=_environment(timeout=1, pace=0.15, index_lag=14),
    )


def short_export(
    *, sessions: int = 3, tickets: int = 36, seconds: float = 25, workers: int = 2
) -> ExportShape:
    """About a minute, also as a test."""
    return replace(
        long_export(sessions=sessions, tickets=tickets, seconds=seconds, workers=workers),
        host=replace(
            short_shape(runs=0, seconds=seconds, workers=workers),
            max_jobs=2,
            pause=Span(least=0.8, most=2.2),
        ),
        index_lag=11,
        longest_delay=3,
        projects=max(1, sessions - 1),
        fault_rate=0.15,
        storm=10,
        environment=_environment(timeout=1, pace=0.1, index_lag=11),
    )
