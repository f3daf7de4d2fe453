"""Makes what a plugin or a failure says fit for Postgres, which refuses some text and numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["storable", "storable_text"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """The text with a replacement character for each NUL and each half of a surrogate pair."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable(value: Any) -> Any:
    """The value as JSON can hold it: what is no JSON becomes text, a dictionary's keys too."""
    if isinstance(value, str):
        return storable_text(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {storable_text(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(item) for item in value]
    return storable_text(str(value))
