"""What was asked and answered, for the log and for whoever checks answers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from ticketgen_export.jira_stub.faults import FaultKind

__all__ = ["Exchange", "Log", "Record"]

_LONGEST_LOG = 100_000


@dataclass(frozen=True, kw_only=True)
class Record:
    """One request, without anything secret of it."""

    number: int
    at: float
    """Seconds since the stand-in was made."""
    method: str
    path: str
    template: str
    status: int | None
    """None where nothing was answered."""
    fault: FaultKind | None


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and the whole answer to it."""

    record: Record
    is_gateway: bool
    """Whether it came through the gateway, whose refusals have a form of their own."""
    query: str
    request_type: str
    request_body: bytes = field(repr=False)
    response_type: str
    response_body: bytes = field(repr=False)


class Log:
    """The last requests, and how many there were of each kind."""

    def __init__(self) -> None:
        self.observers: list[Callable[[Exchange], None]] = []
        self.clear()

    def clear(self) -> None:
        """Forget every request."""
        self.records: deque[Record] = deque(maxlen=_LONGEST_LOG)
        self.requests: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int | None]] = Counter()

    def add(self, exchange: Exchange) -> None:
        """Keep the request, and show the exchange to the observers."""
        record = exchange.record
        self.records.append(record)
        self.requests[record.template] += 1
        self.answers[record.template, record.status] += 1
        for observer in self.observers:
            observer(exchange)

    def summary(self) -> list[dict[str, Any]]:
        """The requests as JSON."""
        return [asdict(record) for record in self.records]
