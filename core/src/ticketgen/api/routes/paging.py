"""How lists are cut into pages; see `ticketgen.api.paging`."""

from __future__ import annotations

from ticketgen.api.paging import TOTAL_HEADER, Limit, Offset, tell_total, told_total

__all__ = ["TOTAL_HEADER", "Limit", "Offset", "tell_total", "told_total"]
