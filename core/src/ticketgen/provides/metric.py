"""The port through which a plugin contributes figures to `GET /metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ticketgen.provides.health_check import HealthContext

__all__ = ["Metric"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One gauge that is read from the database when it is asked for.

    Workers and API are many processes, and the database is what they share: so a figure is read
    there, and counted nowhere. `read` answers a number, or a number for each tuple of label
    values. It has two seconds; one that raises or is late is left out and counted in
    `ticketgen_metric_failures`.
    """

    name: str
    """In the plugin's names, `acme_labels_waiting`: lower case, with the unit at its end if it
    has one (`_seconds`, `_bytes`)."""
    summary: str
    read: Callable[[HealthContext], Awaitable[float | Mapping[tuple[str, ...], float]]]
    labels: tuple[str, ...] = ()
    """Names of the labels; few values each."""
