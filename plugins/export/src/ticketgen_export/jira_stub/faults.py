"""What goes wrong on purpose, and with which request."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict

__all__ = ["Fault", "FaultKind", "FaultPlan", "preset"]


class FaultKind(StrEnum):
    """What happens instead of a plain answer."""

    DROP_BEFORE = "drop_before"
    """The connection is closed, nothing was done."""
    DROP_AFTER = "drop_after"
    """The connection is closed, everything was done."""
    LATE_COMMIT = "late_commit"
    """The connection is closed; what was asked for happens `after` that. A create has its
    number from the beginning."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """429 with `after` as Retry-After; nothing was done."""
    UNAVAILABLE = "unavailable"
    """503; nothing was done."""
    UNAUTHORIZED = "unauthorized"
    """401; nothing was done."""
    TAKEN_FOR_NOBODY = "taken_for_nobody"
    """200 with nothing in it, as for a reader without an account, and a header that says so: what
    Jira answers to an API token that has ended, where it lets anybody ask. Nothing was done."""
    HTML_PAGE = "html_page"
    """502 with a page of a proxy; nothing was done."""
    HTML_PAGE_AFTER = "html_page_after"
    """200 with a page of a proxy; everything was done."""
    SERVER_ERROR_AFTER = "server_error_after"
    """500; everything was done."""
    LOST_NUMBER = "lost_number"
    """500; a create has taken its number and made nothing, anything else was not done."""
    SLOW_BEFORE = "slow_before"
    """The work begins `after`, and is answered."""
    SLOW_AFTER = "slow_after"
    """The work is done at once, and answered `after`."""
    TRUNCATED = "truncated"
    """Everything was done; the JSON of the answer ends in its middle."""
    RESET_MID_ANSWER = "reset_mid_answer"
    """Everything was done; the connection is reset in the middle of the answer."""
    PARTIAL = "partial"
    """Of a bulk create the `elements` fail, every second one if none are named."""


class Fault(BaseModel):
    """One thing that goes wrong: with the n-th request of a kind, or with a probability."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_timedelta="float")

    kind: FaultKind
    on: str = "POST /rest/api/3/issue"
    """Method and path of an endpoint, as Jira's documentation writes the path: `GET
    /rest/api/3/issue/{issueIdOrKey}`, `POST /oauth/token`. `*` is every request."""
    nth: Annotated[int, Ge(1)] = 1
    """The first request it happens to, counted from when the fault was added."""
    times: Annotated[int, Ge(1)] | None = None
    """How many requests it happens to: one, or without end where there is a probability."""
    probability: Annotated[float, Ge(0), Le(1)] | None = None
    """From the n-th request on, decided by the seed for each; None is certainty."""
    after: Annotated[timedelta, Ge(timedelta(0))] = timedelta(seconds=1)
    elements: tuple[int, ...] = ()


@dataclass(kw_only=True)
class _Planned:
    fault: Fault
    random: random.Random
    seen: int = 0
    hits: int = field(default=0)
    peer: str | None = None
    """Who sent the last request it happened to, as `host:port`."""

    def strikes(self) -> bool:
        """Count one more request, and say whether the fault happens to it."""
        self.seen += 1
        certain = self.fault.probability is None
        most = self.fault.times or (1 if certain else None)
        # Drawn for every request, so that what happens to one never moves another's luck.
        lucky = self.random.random() >= (self.fault.probability or 0)
        if self.seen < self.fault.nth or (most is not None and self.hits >= most):
            return False
        if lucky and not certain:
            return False
        self.hits += 1
        return True


class FaultPlan:
    """The faults still to come, and what was counted for each."""

    def __init__(self, seed: int, templates: Iterable[str]) -> None:
        self._seed = seed
        self._templates = frozenset(templates)
        self._planned: list[_Planned] = []

    def add(self, faults: Iterable[Fault]) -> None:
        """Plan these too; each counts requests from now on.

        Raises:
            ValueError: one is to happen to requests that are never answered here.
        """
        planned = tuple(faults)
        unknown = sorted({one.on for one in planned} - self._templates - {"*"})
        if unknown:
            raise ValueError(f"No such endpoint: {', '.join(unknown)}.")
        for fault in planned:
            luck = random.Random(f"{self._seed}:{len(self._planned)}")  # noqa: S311 - no secret
            self._planned.append(_Planned(fault=fault, random=luck))

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._planned.clear()

    def strike(self, template: str, peer: str | None = None) -> Fault | None:
        """What happens to this request; of several faults the one that was added first."""
        struck: Fault | None = None
        for planned in self._planned:
            if planned.fault.on not in ("*", template):
                continue
            if struck is None and planned.strikes():
                struck = planned.fault
                planned.peer = peer
            elif struck is not None:
                planned.seen += 1
        return struck

    def counts(self) -> list[dict[str, Any]]:
        """Each fault: how many requests it saw, how many it happened to, who sent the last."""
        return [
            {
                "fault": one.fault.model_dump(mode="json"),
                "seen": one.seen,
                "hits": one.hits,
                "peer": one.peer,
            }
            for one in self._planned
        ]


def preset(name: Literal["none", "some", "hostile"]) -> tuple[Fault, ...]:
    """A plan for a rehearsal: `some` is a bad day, `hostile` is what an exporter must survive."""
    everywhere = {"none": 0.0, "some": 0.02, "hostile": 0.06}[name]
    if not everywhere:
        return ()
    create, bulk = "POST /rest/api/3/issue", "POST /rest/api/3/issue/bulk"
    faults = [
        Fault(kind=FaultKind.TOO_MANY_REQUESTS, on="*", probability=everywhere),
        Fault(kind=FaultKind.UNAVAILABLE, on="*", probability=everywhere),
        Fault(kind=FaultKind.DROP_AFTER, on=create, probability=everywhere),
        Fault(kind=FaultKind.PARTIAL, on=bulk, probability=everywhere),
    ]
    if name == "hostile":
        faults += [
            Fault(kind=kind, on=template, probability=everywhere, after=timedelta(seconds=3))
            for template in (create, bulk)
            for kind in (
                FaultKind.LATE_COMMIT,
                FaultKind.SERVER_ERROR_AFTER,
                FaultKind.LOST_NUMBER,
                FaultKind.RESET_MID_ANSWER,
                FaultKind.TRUNCATED,
            )
        ]
        faults += [
            Fault(kind=FaultKind.DROP_BEFORE, on="*", probability=everywhere / 2),
            Fault(kind=FaultKind.HTML_PAGE, on="*", probability=everywhere / 2),
            Fault(kind=FaultKind.UNAUTHORIZED, on="*", probability=everywhere / 4),
            Fault(kind=FaultKind.DROP_AFTER, on=bulk, probability=everywhere),
        ]
    return tuple(faults)
