"""Text as it may come in: without the characters that no database column can hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

__all__ = ["LongText", "ShortText"]


def _storable(text: str) -> str:
    """Refuse NUL; half a surrogate pair never gets this far."""
    if "\x00" in text:
        raise ValueError("contains a NUL character; remove it")
    return text


ShortText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_storable),
]
"""A name or title of 1 to 200 characters, outer spaces removed."""

LongText = Annotated[str, StringConstraints(max_length=200_000), AfterValidator(_storable)]
"""Free text of up to 200,000 characters."""
