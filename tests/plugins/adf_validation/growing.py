"""Documents grown from a JSON schema: valid ones of every kind, and ones that miss it by a hair."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from tests.plugins.adf_validation.mutating import VALUES

Schema = Mapping[str, Any]

_WORDS = ("x", "words", " ", "#a1b2c3", "é😀", "\n", "https://a.example/b?c=1")
_MATCHING = {
    "^#[0-9a-fA-F]{6}$": ("#a1b2c3", "#FFFFFF"),
    "^#[0-9a-fA-F]{8}$|^#[0-9a-fA-F]{6}$": ("#a1b2c3", "#A1B2C3d4"),
    "^(neutral|purple|blue|red|yellow|green|#[0-9a-fA-F]{6})$": ("neutral", "green", "#0a1b2c"),
}
_MISSING = ("#a1b2c", "#a1b2c3d", "#a1b2c3\n", " #a1b2c3", "#g1b2c3", "Neutral", "greens", "", 0)
_ENDLESS = 99
_MOST_NODES = 120
"""Of a document, about."""


class SchemaGarden:
    """Grows documents from the part of JSON Schema that Atlassian uses for its format."""

    def __init__(self, schema: Schema) -> None:
        self.definitions: Mapping[str, Schema] = schema["definitions"]
        self.root: Schema = {"$ref": schema["$ref"]}

    def resolved(self, schema: Schema) -> Schema:
        """The schema without references and with all parts of `allOf` laid over each other."""
        while "$ref" in schema:
            schema = self.definitions[schema["$ref"].removeprefix("#/definitions/")]
        if "allOf" not in schema:
            return schema
        merged: dict[str, Any] = {}
        for part in map(self.resolved, schema["allOf"]):
            merged = {
                **part,
                **merged,
                "properties": {**merged.get("properties", {}), **part.get("properties", {})},
                "required": [*merged.get("required", ()), *part.get("required", ())],
            }
        return merged

    def alternatives(self, schema: Schema) -> list[Schema]:
        """All that a place may hold, with nested choices flattened."""
        if "$ref" in schema:
            target = schema["$ref"].removeprefix("#/definitions/")
            if "anyOf" not in self.definitions[target]:
                return [schema]
            schema = self.definitions[target]
        if "anyOf" not in schema:
            return [schema]
        return [inner for choice in schema["anyOf"] for inner in self.alternatives(choice)]

    @cached_property
    def heights(self) -> Mapping[str, int]:
        """Definition → how many levels of nodes its smallest instance has."""
        heights = dict.fromkeys(self.definitions, _ENDLESS)
        for _ in range(len(heights)):
            for name, schema in self.definitions.items():
                heights[name] = min(heights[name], self._height(schema, heights))
        return heights

    def _height(self, schema: Schema, heights: Mapping[str, int]) -> int:
        if "$ref" in schema:
            return heights[schema["$ref"].removeprefix("#/definitions/")]
        if "anyOf" in schema:
            return min(self._height(choice, heights) for choice in schema["anyOf"])
        merged = self.resolved(schema)
        content = merged.get("properties", {}).get("content", {})
        while "$ref" in content:
            content = self.definitions[content["$ref"].removeprefix("#/definitions/")]
        if not content.get("minItems"):
            return 1
        items = content["items"]
        first = items[0] if isinstance(items, list) else items
        return 1 + self._height(first, heights)

    def grown(self, rng: random.Random, *, levels: int, slips: float) -> Any:
        """One document; `slips` is how often something is not as it must be, at every turn."""
        return _Growth(garden=self, rng=rng, slips=slips).value(self.root, levels)

    def smallest(self, schema: Schema) -> Any:
        """An instance with nothing that may be left out."""
        return _Growth(garden=self, rng=random.Random(1), slips=0.0, sparse=True).value(schema, 0)


class _Growth:
    def __init__(
        self, *, garden: SchemaGarden, rng: random.Random, slips: float, sparse: bool = False
    ) -> None:
        self._garden = garden
        self._rng = rng
        self._slips = slips
        self._sparse = sparse
        self._room = _MOST_NODES

    def _slipped(self) -> bool:
        return self._slips > 0 and self._rng.random() < self._slips

    def value(self, schema: Schema, levels: int) -> Any:
        choices = self._garden.alternatives(schema)
        if len(choices) > 1:
            schema = self._choice(choices, levels)
        schema = self._garden.resolved(schema)
        if "anyOf" in schema:
            return self.value(schema, levels)
        if self._slipped():
            return self._rng.choice(VALUES)
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
        grow = {"object": self._object, "array": self._array}.get(schema.get("type", ""))
        return self._scalar(schema) if grow is None else grow(schema, levels)

    def _choice(self, choices: Sequence[Schema], levels: int) -> Schema:
        heights = [self._garden._height(choice, self._garden.heights) for choice in choices]
        room = max(levels, min(heights))
        fitting = [
            choice for choice, height in zip(choices, heights, strict=True) if height <= room
        ]
        return fitting[0] if self._sparse else self._rng.choice(fitting)

    def _object(self, schema: Schema, levels: int) -> dict[str, Any]:
        required = schema.get("required", ())
        grown: dict[str, Any] = {}
        for name, inner in schema.get("properties", {}).items():
            if name not in required and (self._sparse or self._rng.random() < self._omission(name)):
                continue
            if name in required and self._slipped():
                continue
            grown[name] = self.value(inner, levels - 1 if name == "content" else levels)
        if self._slipped():
            grown["gadget"] = 1
        return grown

    def _omission(self, name: str) -> float:
        return {"content": 0.1, "marks": 0.6}.get(name, 0.5)

    def _array(self, schema: Schema, levels: int) -> list[Any]:
        items = schema.get("items", {})
        fewest = schema.get("minItems", 0)
        most = schema.get("maxItems", len(items) if isinstance(items, list) else fewest + 4)
        is_full = levels <= 0 or self._sparse or self._room <= 0
        count = fewest if is_full else self._rng.randint(fewest, most)
        if self._slipped():
            count = max(0, self._rng.choice([fewest - 1, most + 1]))
        self._room -= count
        places = items if isinstance(items, list) else [items] * count
        return [self.value(place, levels) for place in [*places, *places][:count]]

    def _scalar(self, schema: Schema) -> Any:
        kind = schema.get("type")
        if kind == "boolean":
            return self._rng.random() < 0.5
        if kind == "number":
            return self._number(schema)
        if "pattern" in schema:
            return self._rng.choice(_MISSING if self._slipped() else _MATCHING[schema["pattern"]])
        if kind == "string":
            shortest = 0 if self._slipped() else schema.get("minLength", 0)
            return self._rng.choice(_WORDS if shortest else ("", *_WORDS))
        return self._rng.choice(VALUES)

    def _number(self, schema: Schema) -> float:
        least, most = schema.get("minimum", -7), schema.get("maximum", 1_000)
        if self._slipped():
            return float(self._rng.choice([least - 1, least - 0.001, most + 1, most + 0.001]))
        between = self._rng.uniform(least, most)
        return float(self._rng.choice([least, most, int(between), between]))
