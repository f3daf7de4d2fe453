"""What figures look like in the text format of Prometheus.

The library that writes the format is imported when the first figure is asked for: every command
imports the API, and none of them needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ticketgen.storable import storable_text

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["CONTENT_TYPE", "exposed"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MOST_SAMPLES = 1_000
"""More label values than that are a mistake, and would cost whoever stores them dear."""


def exposed(name: str, summary: str, answer: object, *, labels: tuple[str, ...] = ()) -> str:
    """The lines of one gauge, from a number, or from a number for each tuple of label values.

    Raises:
        TypeError: the answer is neither of the two.
        ValueError: the answer does not fit the labels.
    """
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, storable_text(summary), labels=list(labels))
    for values, number in _samples(answer, labels).items():
        family.add_metric([storable_text(value) for value in values], number)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([family]))
    return generate_latest(registry).decode("utf-8")


class _Collected:
    """Families that are there already, as the library wants to be given them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _samples(answer: object, labels: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    found = answer if isinstance(answer, Mapping) else {(): answer}
    if len(found) > _MOST_SAMPLES:
        raise ValueError(f"{len(found)} tuples of label values; at most {_MOST_SAMPLES} may be")
    return {_fitting(values, labels): _number(number) for values, number in found.items()}


def _fitting(values: object, labels: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r:.100} where a tuple of texts belongs")
    if len(values) != len(labels):
        raise ValueError(f"{values!r:.100} for the labels {labels}")
    return values


def _number(number: object) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError(f"{number!r:.100} where a number belongs")
    return float(number)
