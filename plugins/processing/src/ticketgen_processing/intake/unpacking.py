"""The parts of a zip archive of which nothing is believed before it is measured."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

from ticketgen_processing.intake.decoding import UnreadableFileError

__all__ = ["MOST_BYTES", "Archive", "damaged"]

MOST_BYTES = 300 * 1024 * 1024
"""Of all parts together, unpacked."""

_MOST_PARTS = 2_000
_HIGHEST_RATIO = 200
_LEAST_SUSPICIOUS = 10 * 1024 * 1024
_CHUNK = 65_536
_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    LookupError,
    OverflowError,
)
"""What the standard library raises for archives that are none."""


def damaged(what: str) -> UnreadableFileError:
    """The refusal of a workbook that is not as it should be."""
    return UnreadableFileError(
        f"The workbook is damaged: {what}.",
        remedy="Open it in the spreadsheet program, save it again as .xlsx and upload that.",
    )


class Archive:
    """An open archive: its parts by name, in pieces, never on a disk and never more than allowed.

    Names are compared without case and with forward slashes. What is inside a part, such as
    another archive, is not looked into.
    """

    def __init__(self, data: bytes) -> None:
        """Measure what the archive says of itself.

        Raises:
            UnreadableFileError: it is damaged, encrypted, or unpacks to more than any workbook.
        """
        # Every entry begins with these bytes; the list of a million of them would fill the memory.
        if data.count(_ENTRY) > _MOST_PARTS:
            raise _bomb(f"it has more than {_MOST_PARTS:,} parts")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise damaged("its table of contents cannot be read") from error
        self._left = MOST_BYTES
        self._parts: dict[str, zipfile.ZipInfo] = {}
        for part in self._zip.infolist():
            name = _plain(part.filename)
            if name in self._parts:
                raise damaged("two of its parts have the same name")
            self._parts[name] = part
        self._measure(len(data))

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._parts

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part, a piece at a time.

        Raises:
            UnreadableFileError: there is no such part, it is damaged, or it is longer than it says
                or than all parts together may be.
        """
        part = self._parts.get(_plain(name))
        if part is None:
            raise damaged(f"its part {_plain(name)[:80]!r} is missing")
        try:
            with self._zip.open(part) as stream:
                while piece := stream.read(_CHUNK):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise _bomb(f"it unpacks to more than {MOST_BYTES:,} bytes")
                    yield piece
        except UnreadableFileError:
            raise
        except _BROKEN as error:
            raise damaged(f"its part {_plain(name)[:80]!r} cannot be unpacked") from error

    def _measure(self, size: int) -> None:
        parts = self._parts.values()
        if any(part.flag_bits & _ENCRYPTED for part in parts):
            raise UnreadableFileError(
                "The archive is protected with a password.",
                remedy="Save it without a password, and upload that.",
            )
        if any(part.compress_type not in _METHODS for part in parts):
            raise damaged("a part is packed in a way no spreadsheet program uses")
        declared = sum(part.file_size for part in parts)
        if declared > MOST_BYTES:
            raise _bomb(f"it unpacks to {declared:,} bytes")
        if declared > _LEAST_SUSPICIOUS and declared > size * _HIGHEST_RATIO:
            raise _bomb(f"it unpacks to {declared // size:,} times its size")


def _bomb(what: str) -> UnreadableFileError:
    return UnreadableFileError(
        f"The file is no workbook that can be read: {what}.",
        remedy="Copy the sheets that are needed into a new workbook, and upload that.",
    )


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").casefold()
