"""What goes wrong in the stand-in by chance, as long as a campaign lasts."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.chaos_export.shape import ExportShape
from ticketgen_export.jira_stub import Fault, FaultKind

__all__ = [
    "ATTACH",
    "BULK",
    "CREATE",
    "FACTS",
    "FETCH",
    "LINK",
    "READ",
    "SEARCH",
    "background_faults",
]

CREATE = "POST /rest/api/3/issue"
BULK = "POST /rest/api/3/issue/bulk"
ATTACH = "POST /rest/api/3/issue/{issueIdOrKey}/attachments"
LINK = "POST /rest/api/3/issueLink"
SEARCH = "GET /rest/api/3/search/jql"
READ = "GET /rest/api/3/issue/{issueIdOrKey}"
FETCH = "POST /rest/api/3/issue/bulkfetch"
FACTS = "GET /rest/api/3/project/{projectIdOrKey}"

_OF_WRITES = (
    FaultKind.DROP_BEFORE,
    FaultKind.DROP_AFTER,
    FaultKind.UNAVAILABLE,
    FaultKind.HTML_PAGE,
    FaultKind.HTML_PAGE_AFTER,
    FaultKind.SERVER_ERROR_AFTER,
    FaultKind.LOST_NUMBER,
    FaultKind.TRUNCATED,
    FaultKind.RESET_MID_ANSWER,
    FaultKind.TOO_MANY_REQUESTS,
)
_OF_READS = (
    FaultKind.DROP_BEFORE,
    FaultKind.DROP_AFTER,
    FaultKind.UNAVAILABLE,
    FaultKind.HTML_PAGE,
    FaultKind.HTML_PAGE_AFTER,
    FaultKind.TRUNCATED,
    FaultKind.RESET_MID_ANSWER,
    FaultKind.TOO_MANY_REQUESTS,
)
_DELAYED = {CREATE: 0.04, BULK: 0.1, ATTACH: 0.08, LINK: 0.04}
"""What is done late is the worst that can happen: a look that comes too early sees nothing."""
_RARE = 0.0015
"""A refused token ends a connection, and a person has to check it: that is no everyday fault."""


def background_faults(shape: ExportShape) -> list[Fault]:
    """Every kind of fault on every kind of request, rare enough for an export to get on.

    Each is drawn for by itself; one call for many issues has more of them, since there are few.
    """
    rates = {CREATE: 2.5, BULK: 10.0, ATTACH: 8.0, LINK: 3.0}
    faults = [
        Fault(
            kind=kind,
            on=template,
            probability=min(0.08, times * shape.fault_rate / len(_OF_WRITES)),
            after=_delay(shape, number),
        )
        for template, times in rates.items()
        for number, kind in enumerate(_OF_WRITES)
    ]
    faults += [
        Fault(kind=kind, on=template, probability=shape.fault_rate / len(_OF_READS))
        for template in (SEARCH, READ, FETCH, FACTS)
        for kind in _OF_READS
    ]
    faults += [
        Fault(kind=FaultKind.PARTIAL, on=BULK, probability=0.08),
        Fault(kind=FaultKind.UNAUTHORIZED, on="*", probability=_RARE),
    ]
    faults += [
        Fault(kind=kind, on=template, probability=likely / 2, after=_delay(shape, number))
        for template, likely in _DELAYED.items()
        for number, kind in enumerate(
            (
                *(FaultKind.LATE_COMMIT, FaultKind.LATE_COMMIT),
                *(FaultKind.SLOW_AFTER, FaultKind.SLOW_BEFORE),
            )
        )
    ]
    return faults


def _delay(shape: ExportShape, number: int) -> timedelta:
    """From half of the longest to the longest, another one for each fault."""
    return timedelta(seconds=shape.longest_delay * (0.5 + 0.5 * (number % 4) / 3))
