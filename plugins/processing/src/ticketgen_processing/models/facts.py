"""What the sheets say of one component: the names, identifiers, numbers and addresses in it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ticketgen.provides import Brief, Component, SheetRow
from ticketgen_processing.models.orders import speaks_to_a_model

__all__ = ["Facts", "facts_of", "number_of", "plain", "stem", "words_of"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+")
_HEADINGS = "Configuration", "Dependencies", "Notes", "Sources", "Success criteria", "User story"
"""Of every ticket, whatever it is about."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a text about a component may name."""

    raw: str
    """All texts in lower case, one a line."""
    phrases: str
    """The same without punctuation, each text between bars."""
    words: frozenset[str]
    """Stems of all words, and of the parts of identifiers."""
    numbers: frozenset[str]
    counts: frozenset[int]
    """How many rows there are, and how many of them are alike in a column."""
    rows: frozenset[int]

    @property
    def most(self) -> int:
        """The largest of the counts."""
        return max(self.counts, default=0)


def facts_of(brief: Brief) -> Facts:
    """What may be named in a text from this brief.

    A cell that speaks to a model is no source: what it wants named, nothing else names.
    """
    texts = [text for text in _texts(brief) if text.strip() and not speaks_to_a_model(text)]
    raw = "\n".join(_folded(text) for text in texts)
    rows = list(_rows(brief.component))
    return Facts(
        raw=raw,
        phrases=f"| {' | '.join(map(plain, texts))} |",
        words=frozenset(stem(word) for text in texts for word in words_of(text)),
        numbers=frozenset(number_of(found) for found in _NUMBER.findall(raw)),
        counts=frozenset(_counts(brief)),
        rows=frozenset(row.row for row in rows),
    )


def plain(text: str) -> str:
    """Lower case, without accents of typography: words with one space between them."""
    return " ".join(re.findall(r"\w+", _folded(text)))


def words_of(text: str) -> Iterator[str]:
    """The words of a text in lower case; those that identifiers are made of, too."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFKC", text))
    for text_or_parts in (text, apart):
        yield from re.findall(r"[^\W_]+", _folded(text_or_parts))


def stem(word: str) -> str:
    """The same for a word in singular and plural."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if len(word) > len(ending) + 1 and word.endswith(ending):
            return word.removesuffix(ending) + instead
    ends = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if ends else word


def number_of(text: str) -> str:
    """A number without what only groups its digits, and without zeros that say nothing."""
    joined = text.replace(",", "") if _GROUPED.fullmatch(text) else text
    return joined.lstrip("0") or "0"


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("’", "'").casefold()


def _texts(brief: Brief) -> Iterator[str]:
    yield brief.site.project_name
    yield brief.site.description
    for component in (brief.component, *brief.related):
        yield from (component.label, component.title, component.name, component.machine_name)
        yield from (component.qualifier, component.entity_group)
    for row in _rows(brief.component):
        yield from row.filled
        yield from row.filled.values()
        yield from row.columns
    yield from (one.text("Description") for one in brief.related)
    yield from _names_around(brief.component)


def _names_around(component: Component) -> Iterator[str]:
    yield from _HEADINGS
    yield from (table.heading for table in component.tables)
    for listed in component.lists:
        yield listed.heading
        yield from (link.title for link in listed.links)
    yield from (link.title for link in component.depends_on)


def _rows(component: Component) -> Iterator[SheetRow]:
    if component.row is not None:
        yield component.row
    for table in component.tables:
        yield from table.rows


def _counts(brief: Brief) -> Iterator[int]:
    yield from (0, 1)
    component = brief.component
    yield len(component.depends_on)
    yield sum(len(listed.links) for listed in component.lists)
    yield from (len(listed.links) for listed in component.lists)
    yield sum(len(table.rows) for table in component.tables)
    for table in component.tables:
        yield len(table.rows)
        for header in table.headers:
            yield from _alike([row.cells.get(header, "") for row in table.rows])


def _alike(cells: Sequence[str]) -> Iterable[int]:
    seen = Counter(cell.strip().casefold() for cell in cells)
    filled = [count for cell, count in seen.items() if cell]
    return {*filled, len(filled), sum(filled)}
