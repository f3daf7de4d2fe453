"""What the attributes of an ADF node or mark may hold, as checks that name what they expect."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = [
    "ANYTHING",
    "BOOLEAN",
    "HEX_COLOR",
    "LEVEL",
    "NOT_EMPTY",
    "NUMBER",
    "STRING",
    "STRINGS",
    "Attributes",
    "ValueCheck",
    "array_of",
    "identified",
    "matching",
    "number",
    "one_of",
    "plain",
    "record",
    "text",
]


@dataclass(frozen=True, kw_only=True)
class ValueCheck:
    """One rule for one value: `accepts` decides, `expected` says it in words."""

    expected: str
    accepts: Callable[[object], bool]


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """One lawful shape of `attrs`: these names, no others, the required ones present."""

    fields: Mapping[str, ValueCheck]
    required: frozenset[str] = frozenset()


def _is_number(value: object) -> bool:
    # bool is an int to Python and no number to JSON.
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def text(*, shortest: int = 0) -> ValueCheck:
    """Promise a check for strings of at least `shortest` characters."""
    return ValueCheck(
        expected="a text" if shortest == 0 else "a text that is not empty",
        accepts=lambda value: isinstance(value, str) and len(value) >= shortest,
    )


def number(*, least: float | None = None, most: float | None = None) -> ValueCheck:
    """Promise a check for numbers between `least` and `most`, both included."""

    def accepts(value: object) -> bool:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return False
        return (least is None or value >= least) and (most is None or value <= most)

    bounds = [f"at least {least:g}"] if least is not None else []
    bounds += [f"at most {most:g}"] if most is not None else []
    return ValueCheck(
        expected=" ".join(["a number", " and ".join(bounds)]).strip(), accepts=accepts
    )


def one_of(*choices: str) -> ValueCheck:
    """Promise a check for one of the given strings."""
    return ValueCheck(
        expected="one of " + ", ".join(repr(choice) for choice in choices),
        accepts=lambda value: isinstance(value, str) and value in choices,
    )


def matching(pattern: str, *, expected: str) -> ValueCheck:
    """Promise a check for strings that match the whole of `pattern`."""
    compiled = re.compile(pattern)
    return ValueCheck(
        expected=expected,
        accepts=lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None,
    )


def array_of(item: ValueCheck, *, shortest: int = 0) -> ValueCheck:
    """Promise a check for lists of at least `shortest` values that all pass `item`."""
    return ValueCheck(
        expected=f"a list, each entry {item.expected}",
        accepts=lambda value: (
            isinstance(value, list)
            and len(value) >= shortest
            and all(item.accepts(entry) for entry in value)
        ),
    )


def record(fields: dict[str, ValueCheck], *, required: tuple[str, ...]) -> ValueCheck:
    """Promise a check for objects with these fields only, the required ones present."""
    return ValueCheck(
        expected="an object with " + ", ".join(fields),
        accepts=lambda value: (
            isinstance(value, dict)
            and all(name in value for name in required)
            and all(name in fields and fields[name].accepts(entry) for name, entry in value.items())
        ),
    )


def plain(*required: str, **fields: ValueCheck) -> Attributes:
    """Promise the shape with exactly these fields, of which some are required."""
    return Attributes(fields=fields, required=frozenset(required))


def identified(*required: str, **fields: ValueCheck) -> Attributes:
    """Promise the same with the `localId` that most nodes may carry."""
    return plain(*required, **{"localId": STRING, **fields})


ANYTHING = ValueCheck(expected="any value", accepts=lambda _value: True)
BOOLEAN = ValueCheck(expected="true or false", accepts=lambda value: isinstance(value, bool))
NUMBER = ValueCheck(expected="a number", accepts=_is_number)
STRING = text()
STRINGS = array_of(STRING, shortest=1)
NOT_EMPTY = text(shortest=1)
LEVEL = number(least=1, most=6)
HEX_COLOR = matching(r"#[0-9a-fA-F]{6}", expected="a color such as '#1a2b3c'")
