"""The table in the bytes of an uploaded file, whatever its encoding and its delimiter."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import chardet

from ticketgen.provides import CsvType
from ticketgen_processing.naming import header_name

__all__ = ["Record", "Table", "UnreadableFileError", "decode", "read_table"]

DELIMITERS = (",", ";", "\t", "|")
_NO_TEXT = ' \n"' + "".join(DELIMITERS)
_MAX_COLUMNS = 500
_MAX_ROWS = 50_000
_MAX_LINES = 200_000
_MAX_CELLS = 1_000_000
_SENTINEL = "\ue000ticketgen-end-of-file\ue000"
_SPREADSHEET = "Open it in the spreadsheet program and save each sheet as CSV."
_MAGIC = (
    (b"PK\x03\x04", "a zip archive or a workbook (.xlsx, .ods)", _SPREADSHEET),
    (b"\xd0\xcf\x11\xe0", "an old Office document (.xls)", _SPREADSHEET),
    (b"%PDF", "a PDF document", "Export the sheet itself as CSV."),
    (b"\x89PNG", "a PNG image", "Upload the sheet as CSV."),
    (b"\xff\xd8\xff", "a JPEG image", "Upload the sheet as CSV."),
    (b"GIF8", "a GIF image", "Upload the sheet as CSV."),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and upload the CSV files inside."),
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


class UnreadableFileError(ValueError):
    """The bytes are no CSV; `message` says why and `remedy` what the owner of the file can do."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record of the file: its number, its cells, and whether the reader had to change one."""

    number: int
    cells: tuple[str, ...]
    replaced: tuple[int, ...] = ()
    """Indexes of cells in which control characters became U+FFFD."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A file as records; blank ones are left out, so the numbers may have gaps."""

    header: Record
    records: tuple[Record, ...]
    delimiter: str
    misquoted_line: int | None = None
    """A line where quotation marks stand inside a cell, so that the reader had to guess."""


def read_table(data: bytes, types: Sequence[CsvType]) -> Table:
    """The records of a CSV file; the types' headers help to find the delimiter.

    Raises:
        UnreadableFileError: Empty, binary, undecodable, or with a quotation mark left open.
    """
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    delimiter = _delimiter(text, types)
    records = [record for record in _records(text, delimiter) if any(map(str.strip, record.cells))]
    if not records or not text.strip(_NO_TEXT):
        raise UnreadableFileError(
            "The file holds no text.", remedy="Upload the sheet with its header row and its rows."
        )
    _check_size(records)
    return Table(
        header=records[0],
        records=tuple(records[1:]),
        delimiter=delimiter,
        misquoted_line=_misquoted_line(text, delimiter),
    )


def decode(data: bytes) -> str:
    """The text of a file: by its byte order mark, as UTF-16 or UTF-8, else as detected.

    Raises:
        UnreadableFileError: The bytes are binary, or not in the encoding they claim.
    """
    for magic, what, remedy in _MAGIC:
        if data.startswith(magic):
            raise UnreadableFileError(f"The file is not a CSV: it is {what}.", remedy=remedy)
    encoding = _claimed_encoding(data)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None:
            raise UnreadableFileError(
                f"The file is marked as {encoding.upper()} but is damaged at byte {error.start}.",
                remedy="Save it again as CSV in UTF-8.",
            ) from error
        text = _guess(data)
    if "\0" in text or _is_binary(text):
        raise UnreadableFileError(
            "The file is not a CSV: it holds binary content.",
            remedy="Export the sheet as CSV in UTF-8 and upload that.",
        )
    return text


def _claimed_encoding(data: bytes) -> str | None:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return encoding
    # Latin text in UTF-16 without a mark has NUL as every second byte.
    sample = data[:2000]
    half = len(sample) // 2
    if half == 0 or b"\0" not in sample:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.1:
        return "utf-16-be"
    return None


def _guess(data: bytes) -> str:
    # A sample is enough to tell encodings apart, and keeps a hostile file cheap.
    encoding = chardet.detect(data[:200_000])["encoding"]
    for candidate in (encoding, "cp1252"):
        if candidate is None or candidate.casefold() in {"ascii", "utf-8"}:
            continue
        try:
            return data.decode(candidate)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def _is_binary(text: str) -> bool:
    sample = text[:20_000]
    return len(_CONTROL.findall(sample)) * 10 > len(sample)


def _delimiter(text: str, types: Sequence[CsvType]) -> str:
    known = {
        header_name(name)
        for csv_type in types
        for column in csv_type.columns
        for name in (column.name, *column.aliases)
    }
    lines = text.lstrip("\n").split("\n", 20)[:20]

    def score(delimiter: str) -> tuple[int, int]:
        try:
            first = next(filter(any, _rows("\n".join(lines), delimiter)), [])
        except UnreadableFileError:
            return 0, 0
        return sum(header_name(cell) in known for cell in first), len(first)

    # max() keeps the first of equals, so a comma wins a tie.
    return max(DELIMITERS, key=score)


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UnreadableFileError(
                f"The file is no valid CSV near line {reader.line_num}: {error}.",
                remedy="Look for a quotation mark that is never closed, and export it again.",
            ) from error
        yield row


def _records(text: str, delimiter: str) -> Iterator[Record]:
    # The reader swallows everything after an open quotation mark; a last line of our own shows it.
    marked = text if text.endswith("\n") else text + "\n"
    previous: Record | None = None
    last: list[str] = []
    for number, last in enumerate(_rows(marked + _SENTINEL, delimiter), start=1):
        if number > _MAX_LINES:
            raise UnreadableFileError(
                f"The file has more than {_MAX_LINES} lines, most of them blank.",
                remedy="Delete the blank rows below the sheet, and export it again.",
            )
        if not any(last):
            continue
        if previous is not None:
            yield previous
        previous = _record(number, last)
    if last != [_SENTINEL]:
        raise UnreadableFileError(
            f"A quotation mark that opens in record {previous.number if previous else 1} "
            "is never closed.",
            remedy="Close it or delete it in the sheet, and export it again.",
        )


def _check_size(records: Sequence[Record]) -> None:
    width = max(len(record.cells) for record in records)
    rows = len(records)
    if width > _MAX_COLUMNS or rows > _MAX_ROWS or width * rows > _MAX_CELLS:
        raise UnreadableFileError(
            f"The file has {rows} rows of up to {width} columns; at most {_MAX_ROWS} rows, "
            f"{_MAX_COLUMNS} columns and {_MAX_CELLS} cells are read.",
            remedy="Upload one sheet per file, and delete what does not belong to it.",
        )


def _record(number: int, cells: list[str]) -> Record:
    # Spreadsheets pad rows far to the right; only text makes a column.
    while cells and not cells[-1]:
        cells.pop()
    replaced = tuple(index for index, cell in enumerate(cells) if _CONTROL.search(cell))
    clean = tuple(_CONTROL.sub("\ufffd", cell) for cell in cells) if replaced else tuple(cells)
    return Record(number=number, cells=clean, replaced=replaced)


def _misquoted_line(text: str, delimiter: str) -> int | None:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for _ in reader:
            pass
    except csv.Error:
        return reader.line_num
    return None
