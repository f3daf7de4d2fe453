"""Every node of a document with its place, however broken or deep the document is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Placed", "placed_nodes"]

Placed = tuple[dict[str, Any], str]
"""A node and its place, a JSON pointer."""


def placed_nodes(document: Mapping[str, Any]) -> Iterator[Placed]:
    """Promise the document itself and every object in the content of another, in reading order."""
    waiting: list[Placed] = [(dict(document), "")]
    while waiting:
        node, path = waiting.pop()
        yield node, path
        content = node.get("content")
        if isinstance(content, list):
            children = [
                (child, f"{path}/content/{number}")
                for number, child in enumerate(content)
                if isinstance(child, dict)
            ]
            waiting.extend(reversed(children))
