"""Sheets of an upload between their look and their storing: on a disk, not in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import SEEK_END
from typing import IO, Self

from ticketgen.provides import InspectedSheet

__all__ = ["KeptSheet", "keep_sheets"]


@dataclass(frozen=True, kw_only=True)
class KeptSheet:
    """What is known of one sheet, and where its bytes are; good as long as the form is."""

    name: str
    csv_type: str
    row_count: int
    confidence: float
    detected_by: str
    encoding: str
    size: int
    """Bytes."""
    file: IO[bytes]
    start: int
    """Of its bytes in the file."""

    def read(self) -> bytes:
        """Its bytes; to be called in a thread, and by one at a time."""
        self.file.seek(self.start)
        return self.file.read(self.size)

    @classmethod
    def of(cls, sheet: InspectedSheet, file: IO[bytes], start: int) -> Self:
        """The sheet without its bytes, which are in the file."""
        return cls(
            name=sheet.name,
            csv_type=sheet.csv_type,
            row_count=sheet.row_count,
            confidence=sheet.confidence,
            detected_by=sheet.detected_by,
            encoding=sheet.encoding,
            size=len(sheet.content),
            file=file,
            start=start,
        )


def keep_sheets(
    sheets: Iterable[InspectedSheet], content: bytes, *, file: IO[bytes], shelf: IO[bytes]
) -> tuple[KeptSheet, ...]:
    """The sheets that were found in the content of a file, without their bytes.

    A sheet that is the file itself stays where it is; others are written behind each other on the
    shelf.
    """
    kept: list[KeptSheet] = []
    for sheet in sheets:
        if sheet.content is content:
            kept.append(KeptSheet.of(sheet, file, 0))
            continue
        start = shelf.seek(0, SEEK_END)
        shelf.write(sheet.content)
        kept.append(KeptSheet.of(sheet, shelf, start))
    return tuple(kept)
