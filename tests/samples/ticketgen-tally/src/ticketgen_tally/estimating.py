"""How many words a text has, and how much effort that is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Scale", "texts_of"]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What is counted as a word, and how many of them are a point of effort."""

    words_per_point: int
    ignored: frozenset[str] = frozenset()
    """Words that count for nothing, in lower case."""

    def words(self, text: str) -> int:
        """The number of words that count."""
        return sum(word.lower() not in self.ignored for word in _WORD.findall(text))

    def points(self, words: int) -> int:
        """The effort: every point that is begun counts, and nothing is done for none."""
        return max(1, -(-words // self.words_per_point))


def texts_of(document: Mapping[str, Any]) -> Iterator[str]:
    """Every text in an ADF document, in no particular order."""
    waiting: list[Mapping[str, Any]] = [document]
    while waiting:
        node = waiting.pop()
        if isinstance(node.get("text"), str):
            yield node["text"]
        waiting += [child for child in node.get("content") or () if isinstance(child, Mapping)]
