"""Where a client stands in a stream, and how it says so."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ticketgen.errors import InvalidInputError

__all__ = ["BEGINNING", "Position", "read_position"]

_WRITTEN = re.compile(r"([0-9A-Za-z]{1,64})-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Position:
    """The last message a client has seen: its stream's epoch, and its number in it."""

    epoch: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.sequence}"

    def covers(self, other: Position) -> bool:
        """Whether whoever stands here has seen the other; never across epochs."""
        return self.epoch == other.epoch and self.sequence >= other.sequence


BEGINNING = Position("", 0)
"""Before the first message of a stream in which there is none yet."""


def read_position(written: str | None) -> Position | None:
    """The position of a query's `after` or of a `Last-Event-ID`; None if there is none.

    Raises:
        InvalidInputError: it is not written as `{epoch}-{sequence}`.
    """
    if not written:
        return None
    match = _WRITTEN.fullmatch(written)
    if match is None:
        raise InvalidInputError(
            f"{written[:100]!r} is no position in a stream.",
            recovery_actions=[
                "Give the position of the last message you have seen, as {epoch}-{sequence}, "
                "or leave it out."
            ],
        )
    return Position(match[1], int(match[2]))
