"""Documents grown from the plugin's own grammar: whatever it accepts, the schema must accept."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.plugins.adf_validation.mutating import VALUES
from ticketgen_adf_validation.grammar import NODES
from ticketgen_adf_validation.marks import MARKS
from ticketgen_adf_validation.node_rules import Children, NodeRule
from ticketgen_adf_validation.values import Attributes, ValueCheck

_POOL: tuple[Any, ...] = (
    *VALUES,
    *("full-width", "wrap-right", "wrap-left", "align-end", "align-start", "fixed"),
    *("top", "middle", "bottom", "note", "tip", "warning", "error", "success", "custom"),
    *("DONE", "link", "image", "DEFAULT", "SPECIAL", "APP", "purple", "end", "inlineComment"),
    *("small", "sub", "sup", "#a1b2c3d4", 3, 6, 100, 0.5, ["a", "b"], [{"type": "x"}]),
)
_TEXTS = ("words", "x", " ", "# a", "é😀", "|", "a\nb")


def sprouted(rng: random.Random, *, levels: int) -> dict[str, Any]:
    """A document that the grammar accepts."""
    return {**_node("doc", rng, levels), "version": 1}


def _node(kind: str, rng: random.Random, levels: int) -> dict[str, Any]:
    rule = NODES[kind]
    node: dict[str, Any] = {"type": kind}
    if kind == "text":
        node["text"] = rng.choice(_TEXTS)
    if rule.attributes and (rule.attributes_required or rng.random() < 0.5):
        node["attrs"] = _attributes(rng.choice(rule.attributes), rng)
    if rule.content_required or (rule.children is not None and rng.random() < 0.9):
        node["content"] = _content(rule, rng, levels)
    return node


def _content(rule: NodeRule, rng: random.Random, levels: int) -> list[dict[str, Any]]:
    most = len(rule.positions) or rule.most or rule.fewest + 3
    # Narrower with every level, or a deep document would have no end.
    spread = max(rule.fewest, round(most * min(1.0, levels / 4))) if levels < 7 else rule.fewest + 1
    count = rule.fewest if levels <= 0 else rng.randint(rule.fewest, min(most, spread))
    places = rule.positions or [rule.children or {}] * count
    return [_child(place, rng, levels - 1) for place in places[:count]]


def _child(place: Children, rng: random.Random, levels: int) -> dict[str, Any]:
    kinds = sorted(place) if levels > 0 else _lowest(place)
    kind = rng.choice(kinds)
    child = _node(kind, rng, levels)
    if place[kind] and rng.random() < 0.4:
        lawful = sorted(rng.choice(place[kind]))
        worn = rng.sample(lawful, k=rng.randint(0, min(3, len(lawful))))
        child["marks"] = [_mark(name, rng) for name in worn]
    return child


def _lowest(place: Children) -> list[str]:
    """What a place may hold that needs nothing, or as little as there is, inside."""
    flat = sorted(kind for kind in place if not NODES[kind].content_required)
    return flat or sorted(place)[:1]


def _mark(name: str, rng: random.Random) -> dict[str, Any]:
    shape = MARKS[name]
    return {"type": name} if shape is None else {"type": name, "attrs": _attributes(shape, rng)}


def _attributes(shape: Attributes, rng: random.Random) -> dict[str, Any]:
    return {
        name: rng.choice(_accepted(check))
        for name, check in shape.fields.items()
        if name in shape.required or rng.random() < 0.3
    }


_KNOWN: dict[int, list[Any]] = {}


def _accepted(check: ValueCheck) -> list[Any]:
    known: Mapping[int, list[Any]] = _KNOWN
    if id(check) not in known:
        _KNOWN[id(check)] = [value for value in _POOL if check.accepts(value)]
    return known[id(check)]
