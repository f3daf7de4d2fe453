"""What an attempt may come to, before it is settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticketgen.errors import TicketgenError

__all__ = ["Cancelled", "Completed", "Failed", "HandedBack", "Outcome", "Parked"]


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The handler returned."""

    summary: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The handler raised, or was stopped at its time limit."""

    error: TicketgenError


@dataclass(frozen=True, kw_only=True)
class HandedBack:
    """The worker gives the run back, through no fault of its own."""


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """Somebody asked for the end."""


@dataclass(frozen=True, kw_only=True)
class Parked:
    """This worker cannot run it, another may; `reason` has `code`, `message` and `version`."""

    reason: Mapping[str, Any]


Outcome = Completed | Failed | HandedBack | Cancelled | Parked
