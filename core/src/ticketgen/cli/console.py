"""How commands speak: what `ticketgen.console` has, under its former name."""

from __future__ import annotations

from ticketgen.console import err, fail, out, run

__all__ = ["err", "fail", "out", "run"]
