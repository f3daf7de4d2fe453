"""Which component a name in a cell means, and what was probably meant where it means none."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ticketgen_processing.intake.remarks import shorten
from ticketgen_processing.naming import exact_name, loose_name

__all__ = ["Directory", "Entry", "Match", "choice", "is_ignored", "split_names"]

_QUALIFIED = re.compile(r"(?P<name>.*\S)\s*\((?P<qualifier>[^()]*)\)", re.DOTALL)
_SEPARATOR = re.compile(r"[,;\n]")
_FIRST_WORD = re.compile(r"\W*([\w/]+)")
_LONGEST_NAME = 100
_MOST_CANDIDATES = 500
_MOST_SUGGESTIONS = 100
_MOST_NEAR = 3


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One component as it can be named."""

    csv_type: str
    name: str
    machine_name: str = ""
    qualifier: str = ""
    """The kind, in its usual spelling."""

    @property
    def label(self) -> str:
        """How a cell names it without doubt: `Article (Content type)`."""
        return f"{self.name} ({self.qualifier})" if self.qualifier else self.name


@dataclass(frozen=True, kw_only=True)
class Match:
    """The indexes of the entries a name means; several where it does not say which."""

    indexes: tuple[int, ...] = ()

    @property
    def index(self) -> int | None:
        """The only entry meant, if it is one."""
        return self.indexes[0] if len(self.indexes) == 1 else None


class Directory:
    """Every component by its names; lookups forgive case, spacing and, last, punctuation.

    `qualifier_aliases` maps (CSV type, exact name of a spelling) to the usual spelling of a kind.
    """

    def __init__(
        self, entries: Sequence[Entry], *, qualifier_aliases: Mapping[tuple[str, str], str]
    ) -> None:
        self.entries = tuple(entries)
        self._aliases = dict(qualifier_aliases)
        self._names: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        self._by_type: dict[str, list[int]] = defaultdict(list)
        self._qualifiers: set[tuple[str, str]] = set(self._aliases)
        self._suggested: dict[tuple[str, str, str], tuple[int, ...]] = {}
        self._sorted: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for index, entry in enumerate(self.entries):
            self._by_type[entry.csv_type].append(index)
            self._qualifiers.add((entry.csv_type, exact_name(entry.qualifier)))
            self._names[entry.csv_type, "exact", exact_name(entry.name)].append(index)
            self._names[entry.csv_type, "loose", loose_name(entry.name)].append(index)
            if entry.machine_name:
                machine_name = exact_name(entry.machine_name)
                self._names[entry.csv_type, "machine", machine_name].append(index)
            self._sorted[entry.csv_type].append((loose_name(entry.name), index))
        for names in self._sorted.values():
            names.sort()
        self._found: dict[tuple[str, ...], Match] = {}

    def has(self, csv_type: str) -> bool:
        """Whether any component of a type is known."""
        return csv_type in self._by_type

    def find(
        self, csv_type: str, text: str, *, qualifier: str = "", machine_name: str = ""
    ) -> Match:
        """The components of a type that a cell means: by name, then by machine name.

        A kind in brackets behind the name, `Image (Media type)`, counts before `qualifier`.
        """
        attempts = [(text, qualifier)]
        split = _QUALIFIED.fullmatch(text.strip())
        if split is not None and (csv_type, exact_name(split["qualifier"])) in self._qualifiers:
            attempts = [(split["name"], split["qualifier"]), (text, qualifier)]
        found = Match()
        for name, kind in attempts:
            for spelling, key in (
                ("exact", exact_name(name)),
                ("machine", exact_name(machine_name or name)),
                ("loose", loose_name(name)),
            ):
                match = self._once((csv_type, spelling, key, kind), self._match)
                if match.index is not None:
                    return match
                found = found if found.indexes else match
        return found

    def group(self, csv_type: str, text: str) -> Match:
        """The components of a type whose name is the text, or continues it by another word."""
        return self._once((csv_type, loose_name(text)), self._group)

    def suggestions(
        self, csv_types: Iterable[str], text: str, *, qualifier: str = "", with_kind: bool = True
    ) -> tuple[str, ...]:
        """How to type the names that are near to the text, the likeliest first; at most three.

        With their kind, `Image (Media type)`, unless another column says it.
        """
        key = (",".join(csv_types), text, qualifier)
        # Comparing names is slow, and a sheet of nothing but wrong names needs no more help.
        if key not in self._suggested and len(self._suggested) < _MOST_SUGGESTIONS:
            self._suggested[key] = self._nearest(key[0].split(","), text, qualifier)
        near = (self.entries[index] for index in self._suggested.get(key, ()))
        return tuple(dict.fromkeys(one.label if with_kind else one.name for one in near))

    def _group(self, csv_type: str, start: str) -> Match:
        names = self._sorted.get(csv_type, [])
        indexes: list[int] = []
        # A space sorts before every letter, so the names that continue the text stand together.
        for place in range(bisect_left(names, (start, -1)), len(names)):
            name, index = names[place]
            if name != start and not name.startswith(f"{start} "):
                break
            indexes.append(index)
        return Match(indexes=tuple(sorted(indexes)))

    def _once(self, key: tuple[str, ...], search: Callable[..., Match]) -> Match:
        """What the search finds; the rows of a large sheet ask for the same names often."""
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = search(*key)
        return found

    def _match(self, csv_type: str, spelling: str, key: str, qualifier: str) -> Match:
        indexes = self._names.get((csv_type, spelling, key), [])
        if qualifier:
            kind = self._kind(csv_type, qualifier)
            indexes = [
                index
                for index in indexes
                if self._kind(csv_type, self.entries[index].qualifier) == kind
            ]
        # A component that is defined twice is meant once.
        distinct: dict[tuple[str, str], int] = {}
        for index in indexes:
            entry = self.entries[index]
            identity = (exact_name(entry.machine_name or entry.name), exact_name(entry.qualifier))
            distinct.setdefault(identity, index)
        return Match(indexes=tuple(distinct.values()))

    def _kind(self, csv_type: str, qualifier: str) -> str:
        name = exact_name(qualifier)
        return exact_name(self._aliases.get((csv_type, name), name))

    def _nearest(self, csv_types: Sequence[str], text: str, qualifier: str) -> tuple[int, ...]:
        split = _QUALIFIED.fullmatch(text.strip())
        if split is not None and any(
            (csv_type, exact_name(split["qualifier"])) in self._qualifiers for csv_type in csv_types
        ):
            text, qualifier = split["name"], split["qualifier"]
        wanted = loose_name(text[:_LONGEST_NAME])
        candidates: dict[str, int] = {}
        for csv_type in csv_types:
            kind = self._kind(csv_type, qualifier)
            for index in self._by_type.get(csv_type, [])[:_MOST_CANDIDATES]:
                entry = self.entries[index]
                if not qualifier or self._kind(csv_type, entry.qualifier) == kind:
                    candidates.setdefault(loose_name(entry.name)[:_LONGEST_NAME], index)
        near = [
            name
            for name in candidates
            if f" {wanted} " in f" {name} " or f" {name} " in f" {wanted} "
        ]
        near.sort(key=lambda name: abs(len(name) - len(wanted)))
        near += get_close_matches(wanted, candidates, n=_MOST_NEAR, cutoff=0.7)
        return tuple(candidates[name] for name in dict.fromkeys(near))[:_MOST_NEAR]


def choice(names: Sequence[str]) -> str:
    """Names to choose from, in quotes: `“a”, “b” or “c”`."""
    quoted = [f"“{shorten(name)}”" for name in names]
    return " or ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))


def split_names(text: str) -> tuple[str, ...]:
    """The names in a cell that lists several."""
    return tuple(part.strip() for part in _SEPARATOR.split(text) if part.strip())


def is_ignored(text: str, words: Iterable[str]) -> bool:
    """Whether a cell says that it means nothing in particular: `-`, `All except sections`."""
    whole = text.strip().casefold()
    first = _FIRST_WORD.match(whole)
    return not whole or any(whole == word or (first and first[1] == word) for word in words)
