"""The revisions of a tree, known to be one line from base to head."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a database may be at, and what it has to be at."""

    head: str
    known: frozenset[str]
