"""A small JQL: clauses with AND, OR and NOT, and an order; what it does not know it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Found", "InvalidJqlError", "Query", "parse_jql"]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<property>issue\.property\[[^\]]+\](?:\.[\w.]+)?)
      | (?P<sign>!=|>=|<=|[=~<>(),])
      | (?P<word>[^\s"'=!~<>(),]+)
    )""",
    re.VERBOSE,
)

_FIELDS = {
    "project": "project",
    "labels": "labels",
    "key": "key",
    "issue": "key",
    "issuekey": "key",
    "id": "key",
    "summary": "summary",
    "issuetype": "issuetype",
    "type": "issuetype",
    "created": "created",
    "assignee": "assignee",
}
_ORDERED = frozenset({"key", "created", "summary"})


class InvalidJqlError(Exception):
    """The query is none, or uses what the stand-in does not know; the text says which."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """An issue as search knows it."""

    id: str
    key: str
    project: str
    number: int
    created: str
    fields: Mapping[str, Any]
    properties: Mapping[str, Any]

    def values(self, field: str) -> list[str]:
        """What it has in a field of the query, in lower case; several for labels and keys."""
        many: Mapping[str, Callable[[], list[Any]]] = {
            "project": lambda: [self.project],
            "key": lambda: [self.key, self.id],
            "labels": lambda: list(self.fields.get("labels", [])),
            "summary": lambda: [self.fields["summary"]],
            "issuetype": lambda: list(self.fields["issuetype"].values()),
            "created": lambda: [self.created[:16].replace("T", " ")],
            "assignee": lambda: list((self.fields.get("assignee") or {}).values()),
        }
        found = many[field]() if field in many else self._property(field)
        return [str(value).casefold() for value in found]

    def _property(self, field: str) -> list[Any]:
        key, _, path = field.removeprefix("issue.property[").partition("]")
        value = self.properties.get(key)
        for step in filter(None, path.split(".")):
            value = value.get(step) if isinstance(value, Mapping) else None
        if isinstance(value, list):
            return value
        return [] if value is None else [value]


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query that was understood."""

    matches: Callable[[Found], bool]
    order: tuple[tuple[str, bool], ...]
    """Fields to order by, and whether downwards."""
    named: tuple[tuple[str, str], ...]
    """Every field that was compared, with the value."""

    def sort(self, found: list[Found]) -> list[Found]:
        """In the order asked for; else the newest first, as Jira does."""
        for field, is_down in reversed(self.order or (("created", True),)):
            found = sorted(found, key=lambda one: _rank(one, field), reverse=is_down)
        return found


def parse_jql(text: str, searchable: frozenset[str] = frozenset()) -> Query:
    """Understand a query; `searchable` are the properties that an app has declared.

    Raises:
        InvalidJqlError: it cannot be understood, or restricts nothing.
    """
    reader = _Reader(_tokens(text), searchable)
    if reader.at_end() or reader.is_word("order"):
        raise InvalidJqlError(
            "Unbounded JQL queries are not allowed here. "
            "Please add a search restriction to your query."
        )
    matches = reader.either()
    order = reader.order()
    if not reader.at_end():
        raise InvalidJqlError(f"Error in the JQL Query: '{reader.peek()}' was not expected.")
    return Query(matches=matches, order=order, named=tuple(reader.named))


def _rank(one: Found, field: str) -> Any:
    if field == "key":
        return (one.project, one.number)
    return (one.created, int(one.id)) if field == "created" else one.fields["summary"]


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidJqlError(f"Error in the JQL Query near '{text[position:][:20]}'.")
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


class _Reader:
    """Reads the tokens once, from the left."""

    def __init__(self, tokens: list[str], searchable: frozenset[str]) -> None:
        self._tokens = tokens
        self._searchable = searchable
        self._position = 0
        self.named: list[tuple[str, str]] = []

    def at_end(self) -> bool:
        return self._position >= len(self._tokens)

    def peek(self) -> str:
        return "" if self.at_end() else self._tokens[self._position]

    def is_word(self, *words: str) -> bool:
        return self.peek().casefold() in words

    def either(self) -> Callable[[Found], bool]:
        parts = [self._all()]
        while self._skip("or"):
            parts.append(self._all())
        return lambda one: any(part(one) for part in parts)

    def order(self) -> tuple[tuple[str, bool], ...]:
        if not self._skip("order"):
            return ()
        self._expect("by")
        keys = [self._ordered()]
        while self._skip(","):
            keys.append(self._ordered())
        return tuple(keys)

    def _all(self) -> Callable[[Found], bool]:
        parts = [self._term()]
        while self._skip("and"):
            parts.append(self._term())
        return lambda one: all(part(one) for part in parts)

    def _term(self) -> Callable[[Found], bool]:
        if self._skip("not"):
            inner = self._term()
            return lambda one: not inner(one)
        if self._skip("("):
            inner = self.either()
            self._expect(")")
            return inner
        return self._clause()

    def _clause(self) -> Callable[[Found], bool]:
        field = self._field()
        sign = self._next().casefold()
        if sign == "not":
            self._expect("in")
            sign = "not in"
        if sign == "is":
            is_not = self._skip("not")
            self._next()
            return lambda one: bool(one.values(field)) is is_not
        wanted = self._list() if sign.endswith("in") else [self._value()]
        if field == "created":
            wanted = [_moment(value) for value in wanted]
        self.named.extend((field, value) for value in wanted)
        return _comparison(field, sign, [value.casefold() for value in wanted])

    def _field(self) -> str:
        word = self._next().strip("\"'")
        if word.startswith("issue.property["):
            if word.removeprefix("issue.property[").partition("]")[0] in self._searchable:
                return word
        elif word.casefold() in _FIELDS:
            return _FIELDS[word.casefold()]
        raise InvalidJqlError(
            f"Field '{word}' does not exist or you do not have permission to view it."
        )

    def _ordered(self) -> tuple[str, bool]:
        field = self._field()
        if field not in _ORDERED:
            raise InvalidJqlError(f"Not able to sort using field '{field}'.")
        is_down = self._skip("desc")
        if not is_down:
            self._skip("asc")
        return field, is_down

    def _list(self) -> list[str]:
        self._expect("(")
        values = [self._value()]
        while self._skip(","):
            values.append(self._value())
        self._expect(")")
        return values

    def _value(self) -> str:
        token = self._next()
        if token[:1] in "\"'" and len(token) > 1:
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        return token

    def _next(self) -> str:
        if self.at_end():
            raise InvalidJqlError("Error in the JQL Query: it ends where more was expected.")
        self._position += 1
        return self._tokens[self._position - 1]

    def _skip(self, word: str) -> bool:
        if not self.is_word(word):
            return False
        self._position += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise InvalidJqlError(
                f"Error in the JQL Query: expected '{word}' but got '{self.peek()}'."
            )


def _moment(value: str) -> str:
    """A day, or a minute of one, as moments are compared here."""
    moment = value.replace("/", "-")
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}( \d{2}:\d{2})?", moment):
        raise InvalidJqlError(
            f"Date value '{value}' for field 'created' is invalid. "
            "Valid formats include: 'yyyy-MM-dd HH:mm', 'yyyy-MM-dd'."
        )
    return moment


def _comparison(field: str, sign: str, wanted: list[str]) -> Callable[[Found], bool]:
    signs: Mapping[str, Callable[[list[str]], bool]] = {
        "=": lambda has: wanted[0] in has,
        "in": lambda has: any(value in has for value in wanted),
        # As in Jira, what has no value is neither equal nor unequal to one.
        "!=": lambda has: bool(has) and wanted[0] not in has,
        "not in": lambda has: bool(has) and not any(value in has for value in wanted),
        "~": lambda has: any(wanted[0] in value for value in has),
        ">=": lambda has: any(value >= wanted[0] for value in has),
        "<=": lambda has: any(value <= wanted[0] for value in has),
        ">": lambda has: any(value > wanted[0] for value in has),
        "<": lambda has: any(value < wanted[0] for value in has),
    }
    if sign not in signs:
        raise InvalidJqlError(f"Error in the JQL Query: '{sign}' is no operator.")
    compare = signs[sign]
    return lambda one: compare(one.values(field))
