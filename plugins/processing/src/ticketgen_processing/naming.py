"""When two spellings are the same name: one rule for headers, one for components, one for keys."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["INVISIBLE", "MACHINE_NAME", "exact_name", "header_name", "loose_name", "slug"]

MACHINE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
"""What Drupal accepts everywhere as the machine name of a component."""

INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
"""Characters nobody sees or means: they come with pasted text, and some turn a line around."""

_NOT_WORD = re.compile(r"[\W_]+")
_NOT_SLUG = re.compile(r"[^\w]+")
_REMEMBERED = 10_000
"""Spellings; sheets repeat a few names in thousands of rows."""


@lru_cache(maxsize=_REMEMBERED)
def header_name(text: str) -> str:
    """Equal for headers that differ in case, spaces and punctuation only."""
    folded = _folded(text)
    return _NOT_WORD.sub("", folded) or folded.strip()


@lru_cache(maxsize=_REMEMBERED)
def exact_name(text: str) -> str:
    """Equal for names that differ in case, spacing and invisible characters only."""
    return " ".join(_folded(text).split())


@lru_cache(maxsize=_REMEMBERED)
def loose_name(text: str) -> str:
    """Equal for names that differ in case, spacing and punctuation only."""
    return _NOT_WORD.sub(" ", _folded(text)).strip() or exact_name(text)


def slug(text: str) -> str:
    """A part of a key: words of a name joined by hyphens, underscores kept; may be empty."""
    return _NOT_SLUG.sub("-", _folded(text)).strip("-")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", INVISIBLE.sub("", text)).casefold()
