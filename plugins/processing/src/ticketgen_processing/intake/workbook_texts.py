"""What the cells of all sheets of a workbook share: their texts, and how numbers are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ticketgen_processing.intake.decoding import UnreadableFileError
from ticketgen_processing.intake.number_formats import NumberFormat, format_of, shown
from ticketgen_processing.intake.unpacking import damaged
from ticketgen_processing.intake.xml_events import Attributes, read_xml

__all__ = ["CellText", "Room", "read_formats", "read_strings"]

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MOST_STRINGS = 1_000_000
_MOST_CHARACTERS = 50 * 1024 * 1024
_MOST_FORMATS = 70_000
_CHARACTERS_OF_A_CELL = 8
"""What an empty cell takes beside its text, in bytes."""


class Room:
    """How much all sheets of a workbook may still hold.

    A text is stored once in a workbook and named by any number of cells, and a merged cell stands
    for thousands: the size of the file says nothing of what comes out of it.
    """

    def __init__(self, characters: int = _MOST_CHARACTERS) -> None:
        self._left = characters

    def take(self, characters: int, *, cells: int = 1) -> None:
        """Count a text, and the cells that come to be for it.

        Raises:
            UnreadableFileError: there is no room for it.
        """
        self._left -= characters + cells * _CHARACTERS_OF_A_CELL
        if self._left < 0:
            raise UnreadableFileError(
                "The sheets of the workbook hold more text than can be read, what merged cells "
                "stand for counted in.",
                remedy="Copy the sheets that are needed into a new workbook, and upload that.",
            )


@dataclass(frozen=True, kw_only=True)
class CellText:
    """What the cells of all sheets share: their texts, and how numbers are shown."""

    strings: Sequence[str]
    formats: Sequence[NumberFormat]
    from_1904: bool = False
    room: Room = field(default_factory=Room)

    def of(self, kind: str, style: str, value: str) -> str:
        """The text of a cell as a person sees it."""
        if kind == "n":
            return shown(value, self._format(style), from_1904=self.from_1904) if value else ""
        if kind == "s":
            if not value.isdecimal() or int(value) >= len(self.strings):
                raise damaged("a cell names a text that is not there")
            return self.strings[int(value)]
        if kind == "b":
            return {"1": "TRUE", "0": "FALSE"}.get(value, value.upper())
        return _unescaped(value)

    def _format(self, style: str) -> NumberFormat:
        number = int(style) if style.isdecimal() and len(style) < 7 else 0
        return self.formats[number] if number < len(self.formats) else NumberFormat.PLAIN


def read_strings(pieces: Iterable[bytes] | None) -> list[str]:
    """The texts that cells refer to by number.

    Raises:
        UnreadableFileError: the part is damaged, or too large.
    """
    reader = _Strings()
    if pieces is not None:
        read_xml(pieces, "its list of texts", start=reader.start, end=reader.end, text=reader.text)
    return reader.strings


def read_formats(pieces: Iterable[bytes] | None) -> list[NumberFormat]:
    """How the cells of each style show a number.

    Raises:
        UnreadableFileError: the part is damaged.
    """
    reader = _Formats()
    if pieces is not None:
        read_xml(pieces, "its list of styles", start=reader.start, end=reader.end)
    return reader.formats


def _unescaped(text: str) -> str:
    """The text with its escapes (`_x000D_`) resolved; what no text may hold becomes U+FFFD."""
    if "_x" in text:
        text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    # The line ends that CSV and all that comes after it know.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


class _Strings:
    """Gathers the texts; how they are to be pronounced is left out."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._pieces: list[str] = []
        self._taking = False
        self._phonetic = False
        self._characters = 0

    def start(self, element: str, attributes: Attributes) -> None:
        if element == "si":
            self._pieces = []
        elif element == "t":
            self._taking = not self._phonetic
        elif element == "rPh":
            self._phonetic = True

    def end(self, element: str) -> None:
        if element == "t":
            self._taking = False
        elif element == "rPh":
            self._phonetic = False
        elif element == "si":
            self._keep("".join(self._pieces))

    def text(self, piece: str) -> None:
        if self._taking:
            self._pieces.append(piece)

    def _keep(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > _MOST_CHARACTERS or len(self.strings) >= _MOST_STRINGS:
            raise UnreadableFileError(
                "The workbook has more text than can be read.",
                remedy="Copy the sheets that are needed into a new workbook, and upload that.",
            )
        self.strings.append(_unescaped(text))


class _Formats:
    """Gathers the formats of the styles that cells have, not those that styles are made from."""

    def __init__(self) -> None:
        self.formats: list[NumberFormat] = []
        self._codes: dict[str, str] = {}
        self._inside = False

    def start(self, element: str, attributes: Attributes) -> None:
        if element == "cellXfs":
            self._inside = True
        elif element == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")[:255]
        elif element == "xf" and self._inside and len(self.formats) < _MOST_FORMATS:
            number = attributes.get("numFmtId", "0")
            plain = int(number) if number.isdecimal() and len(number) < 7 else 0
            self.formats.append(format_of(plain, self._codes.get(number)))

    def end(self, element: str) -> None:
        self._inside = self._inside and element != "cellXfs"
