"""One way in which a file is not as it should be, and what has to become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Broken"]


@dataclass(frozen=True, kw_only=True)
class Broken:
    """One file, and one of three ends: refused in these words, a finding of a rule, or read."""

    name: str
    content: Callable[[], bytes]
    file: str = "Bundles.csv"
    refused: str | None = None
    rule: str | None = None
    """Of a finding; without one, and not refused, it is read as `PLAIN` without any."""
