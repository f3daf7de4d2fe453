"""How lists are cut into pages: how many, from where on, and how many there are in all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

__all__ = ["TOTAL_HEADER", "Limit", "Offset", "tell_total", "told_total"]

TOTAL_HEADER = "X-Total-Count"

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="Pass over so many first.")]


def tell_total(response: Response, total: int) -> None:
    """Say in a header how many there are on all pages together."""
    response.headers[TOTAL_HEADER] = str(total)


def told_total() -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that tells it."""
    return {
        200: {
            "headers": {
                TOTAL_HEADER: {
                    "description": "How many there are on all pages together.",
                    "schema": {"type": "integer"},
                }
            }
        }
    }
