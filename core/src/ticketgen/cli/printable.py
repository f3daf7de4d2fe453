"""Text of others made fit for a terminal: nothing in it moves the cursor or hides what it says."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

__all__ = ["obeyed_by_none", "one_line", "printable", "printable_json"]

_ORDERING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of the text around it."""

_HIDDEN = re.compile(f"[\ud800-\udfff{_ORDERING}]")
_HIDDEN_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029\ud800-\udfff{_ORDERING}]")


def printable(text: str) -> str:
    """The text, its lines kept, with a replacement character for what a terminal would obey."""
    return "".join(character if _shown(character) else "\ufffd" for character in text)


def one_line(text: str) -> str:
    """The same on one line."""
    return printable(" ".join(text.split()))


def printable_json(value: Any) -> str:
    """The value as JSON that means the same, and that a terminal does not obey."""
    return obeyed_by_none(json.dumps(value, indent=2, ensure_ascii=False))


def obeyed_by_none(text: str) -> str:
    """JSON that means the same, and that a terminal does not obey."""
    return _HIDDEN_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _shown(character: str) -> bool:
    if character in "\n\t":
        return True
    return unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} and not _HIDDEN.match(
        character
    )
