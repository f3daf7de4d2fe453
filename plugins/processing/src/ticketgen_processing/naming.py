"""When two spellings are the same name: one rule for headers, one for components, one for keys."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MACHINE_NAME", "exact_name", "header_name", "loose_name", "slug"]

MACHINE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
"""What Drupal accepts everywhere as the machine name of a component."""

_NOT_WORD = re.compile(r"[\W_]+")
_NOT_SLUG = re.compile(r"[^\w]+")


def header_name(text: str) -> str:
    """Equal for headers that differ in case, spaces and punctuation only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub("", folded) or folded.strip()


def exact_name(text: str) -> str:
    """Equal for names that differ in case and spacing only."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def loose_name(text: str) -> str:
    """Equal for names that differ in case, spacing and punctuation only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub(" ", folded).strip() or exact_name(text)


def slug(text: str) -> str:
    """A part of a key: words of a name joined by hyphens, underscores kept; may be empty."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_SLUG.sub("-", folded).strip("-")
