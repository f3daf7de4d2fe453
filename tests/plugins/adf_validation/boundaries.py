"""Every step over a line the schema draws: one attribute, one count, one or two marks at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

from tests.plugins.adf_validation.growing import Schema, SchemaGarden
from tests.plugins.adf_validation.mutating import VALUES

Node = dict[str, Any]

_NUMBERS = (0, 0.999, 1, 2, 3, 3.001, 6, 6.001, 7, -0.001, 100, 100.001, 1e9, True)
_TEXTS = ("\n", " ", "#a1b2c3", "#a1b2c3d4", "#a1b2c3\n", "#a1b2c", "green", "Green", "x" * 300)
_WRONG_CONTENT: tuple[Any, ...] = (None, "x", 1, {}, [None], ["x"], [[]], [{}], [{"type": "text"}])
_WRONG_MARKS: tuple[Any, ...] = (None, "strong", 1, {}, [None], ["strong"], [[]], [{}])


@dataclass(frozen=True, kw_only=True)
class Place:
    """A document, and the node in it that stands for its kind under its parent."""

    parent: str
    kind: str
    document: Node
    node: Node


def places(garden: SchemaGarden) -> list[Place]:
    """Every definition of a node under every parent that may hold it, each in a small document."""
    root = garden.root["$ref"].removeprefix("#/definitions/")
    found: list[Place] = []
    waiting: list[tuple[str, list[tuple[Schema, int]]]] = [(root, [])]
    seen = {root}
    while waiting:
        parent, way = waiting.pop(0)
        for position, child in _children(garden, garden.definitions[parent]):
            name = child["$ref"].removeprefix("#/definitions/")
            steps = [*way, (child, position)]
            document, node = _built(garden, steps)
            found.append(Place(parent=parent, kind=name, document=document, node=node))
            if name not in seen:
                seen.add(name)
                waiting.append((name, steps))
    return found


def _children(garden: SchemaGarden, schema: Schema) -> Iterator[tuple[int, Schema]]:
    content = garden.resolved(schema).get("properties", {}).get("content", {})
    items = garden.resolved(content).get("items", {})
    for position, place in enumerate(items if isinstance(items, list) else [items]):
        for child in garden.alternatives(place):
            if "$ref" in child:
                yield position, child


def _built(garden: SchemaGarden, way: list[tuple[Schema, int]]) -> tuple[Node, Node]:
    document: Node = garden.smallest(garden.root)
    holder = document
    for child, position in way:
        node: Node = garden.smallest(child)
        content = holder.setdefault("content", [])
        content[position : position + 1] = [node]
        holder = node
    return document, holder


def marks_of(garden: SchemaGarden) -> list[Node]:
    """One of every mark, and one that does not exist."""
    names = [name for name in garden.definitions if name.endswith("_mark")]
    marks = [garden.smallest({"$ref": f"#/definitions/{name}"}) for name in names]
    return [*marks, {"type": "glow"}]


def worn(place: Place, marks: list[Node]) -> Iterator[Node]:
    """The document of a place with every mark on the node: none, one and each pair of them."""
    for wrong in _WRONG_MARKS:
        place.node["marks"] = wrong
        yield place.document
    place.node["marks"] = []
    yield place.document
    for mark in marks:
        place.node["marks"] = [mark]
        yield place.document
    for pair in combinations_with_replacement(marks, 2):
        place.node["marks"] = list(pair)
        yield place.document
    del place.node["marks"]


def altered(garden: SchemaGarden, place: Place) -> Iterator[Node]:
    """The document of a place with every boundary of the node's own schema touched once."""
    schema = garden.resolved({"$ref": f"#/definitions/{place.kind}"})
    original = copy.deepcopy(place.node)
    for variant in _variants(garden, schema, original):
        place.node.clear()
        place.node.update(variant)
        yield place.document
    place.node.clear()
    place.node.update(original)


def _variants(garden: SchemaGarden, schema: Schema, node: Node) -> Iterator[Node]:
    yield {**node, "gadget": 1}
    for name in ("attrs", "content", "marks", "text", "version", "type"):
        yield {key: value for key, value in node.items() if key != name}
        for value in VALUES:
            yield {**node, name: value}
    for attributes in _attribute_variants(garden, schema["properties"].get("attrs", {})):
        yield {**node, "attrs": attributes}
    for content in _content_variants(garden, schema["properties"].get("content", {}), node):
        yield {**node, "content": content}


def _attribute_variants(garden: SchemaGarden, schema: Schema) -> Iterator[Mapping[str, Any]]:
    """Each attribute absent, alone, and of every sort of value; all; none; one too many."""
    for raw in garden.alternatives(schema) if schema else ():
        shape = garden.resolved(raw)
        least = garden.smallest(raw)
        fields = shape.get("properties", {})
        every = {name: garden.smallest(field) for name, field in fields.items()}
        yield from ({}, least, every, {**least, "gadget": 1})
        for name, field in fields.items():
            yield {key: value for key, value in least.items() if key != name}
            yield {key: value for key, value in every.items() if key != name}
            yield {name: every[name]}
            for value in (*VALUES, *_NUMBERS, *_TEXTS, *field.get("enum", ())):
                yield {**least, name: value}


def _content_variants(garden: SchemaGarden, schema: Schema, node: Node) -> Iterator[list[Any]]:
    yield from _WRONG_CONTENT
    child = next(iter(node.get("content", ())), None)
    schema = garden.resolved(schema) if schema else schema
    if child is None and isinstance(schema.get("items"), dict):
        child = garden.smallest(schema["items"])
    if child is not None:
        for count in range(5):
            yield [child] * count
        yield [child, None]
    if isinstance(schema.get("items"), list):
        firsts = [garden.smallest(item) for item in schema["items"]]
        for count in range(len(firsts) + 1):
            yield firsts[:count]
            yield [*firsts[:count], {"type": "gadget"}]
        yield firsts[::-1]
