"""How a rule about one type of node of the Atlassian Document Format is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ticketgen_adf_validation.values import Attributes

__all__ = ["Children", "MarkSets", "NodeRule", "holder", "leaf", "line", "mark_sets"]

MarkSets = tuple[frozenset[str], ...]
"""The alternatives a child may wear; an empty tuple means: no `marks` property at all."""
Children = Mapping[str, MarkSets]
"""The types of nodes a place may hold, each with its marks there."""


@dataclass(frozen=True, kw_only=True)
class NodeRule:
    """What one type of node may and must have.

    `children` None means the node has no `content`. `positions` replaces `children` where the
    place of a child decides what it may be; it then also caps how many there are.
    """

    attributes: tuple[Attributes, ...] = ()
    attributes_required: bool = False
    children: Children | None = None
    positions: tuple[Children, ...] = ()
    content_required: bool = False
    fewest: int = 0
    most: int | None = None
    free_properties: bool = False
    extra_properties: frozenset[str] = field(default=frozenset())


def mark_sets(*alternatives: str) -> MarkSets:
    """Promise the alternatives, each written as names with spaces between them."""
    return tuple(frozenset(alternative.split()) for alternative in alternatives)


def leaf(*attributes: Attributes) -> NodeRule:
    """Promise a node without content that must have one of these shapes of attributes."""
    return NodeRule(attributes=attributes, attributes_required=True)


def holder(
    children: Children, *attributes: Attributes, required: bool = False, most: int | None = None
) -> NodeRule:
    """Promise a node that must hold at least one child."""
    return NodeRule(
        attributes=attributes,
        attributes_required=required,
        children=children,
        content_required=True,
        fewest=1,
        most=most,
    )


def line(children: Children, *attributes: Attributes, required: bool = False) -> NodeRule:
    """Promise a node of inline content that may be absent or empty."""
    return NodeRule(attributes=attributes, attributes_required=required, children=children)
