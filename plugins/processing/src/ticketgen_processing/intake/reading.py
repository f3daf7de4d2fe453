"""The table in the bytes of an uploaded file, whatever its encoding and its delimiter."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ticketgen.provides import CsvType
from ticketgen_processing.intake.decoding import (
    CONTROL,
    Encoding,
    UnreadableFileError,
    find_encoding,
    lines_of,
    refuse_other_formats,
)
from ticketgen_processing.intake.detecting import is_header
from ticketgen_processing.naming import header_name

__all__ = [
    "MOST_COLUMNS",
    "MOST_LINES",
    "MOST_ROWS",
    "Record",
    "Table",
    "UnreadableFileError",
    "read_table",
]

MOST_COLUMNS = 500
MOST_ROWS = 100_000
"""Below the header, blank ones left out."""
MOST_LINES = 200_000
"""Blank ones too."""

_MOST_CELLS = 2_500_000
_DELIMITERS = (",", ";", "\t", "|")
_NO_TEXT = frozenset(' \n"' + "".join(_DELIMITERS))
_SENTINEL = "\ue000ticketgen-end-of-file\ue000"
_TOLD = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)
_SAMPLE_LINES = 20
_SAMPLE_WIDTH = 20_000
_HEADER_WITHIN = 10
"""Records in which the header is looked for."""
_SHORT = 60
_REMEMBERED = 50_000
"""Short cells that are kept once, however often they stand in the sheet."""
_OPEN_QUOTE = "Close it or delete it in the sheet, and export it again."


@dataclass(frozen=True, kw_only=True, slots=True)
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
    encoding: Encoding
    above: tuple[Record, ...] = ()
    """Records above the header: a title, a date."""
    misquoted_line: int | None = None
    """A line where quotation marks stand inside a cell, so that the reader had to guess."""


class _MisquotedError(Exception):
    """Text follows a closing quotation mark."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def read_table(data: bytes, types: Sequence[CsvType]) -> Table:
    """The records of a CSV file; the types' headers help to find delimiter and header.

    The first record with text is the header, unless it is a title with the header below it. The
    line `sep=;` of a spreadsheet program is obeyed and, as there, not counted.

    Raises:
        UnreadableFileError: Empty, binary, undecodable, too large, or with a quotation mark left
            open.
    """
    refuse_other_formats(data)
    encoding = find_encoding(data)
    sample = [line[:_SAMPLE_WIDTH] for line in islice(lines_of(data, encoding), _SAMPLE_LINES)]
    told = _TOLD.fullmatch(sample[0].lstrip("\ufeff")) if sample else None
    delimiter = told[1] if told is not None else _delimiter(sample, types)
    misquoted_line = None
    records: list[Record] = []
    try:
        records = _records(data, encoding, delimiter, skipped=told is not None, strict=True)
    except _MisquotedError as misquoted:
        misquoted_line = misquoted.line
    if misquoted_line is not None:
        records = _records(data, encoding, delimiter, skipped=told is not None, strict=False)
    if not any(set(cell) - _NO_TEXT for record in records for cell in record.cells):
        raise UnreadableFileError(
            "The file holds no text.", remedy="Upload the sheet with its header row and its rows."
        )
    start = _header_index(records, types)
    return Table(
        header=records[start],
        records=tuple(records[start + 1 :]),
        delimiter=delimiter,
        encoding=encoding,
        above=tuple(records[:start]),
        misquoted_line=misquoted_line,
    )


def _delimiter(sample: Sequence[str], types: Sequence[CsvType]) -> str:
    known = {
        header_name(name)
        for csv_type in types
        for column in csv_type.columns
        for name in (column.name, *column.aliases)
    }

    def score(delimiter: str) -> tuple[int, int]:
        try:
            rows = [row for row in csv.reader(sample, delimiter=delimiter) if any(row)]
        except csv.Error:
            return 0, 0
        matches = [sum(header_name(cell) in known for cell in row) for row in rows]
        return max(matches[:_HEADER_WITHIN], default=0), len(rows[0]) if rows else 0

    # max() keeps the first of equals, so a comma wins a tie.
    return max(_DELIMITERS, key=score)


def _records(
    data: bytes, encoding: Encoding, delimiter: str, *, skipped: bool, strict: bool
) -> list[Record]:
    """Every record that holds more than spaces, in one pass, refused as soon as it is too much."""
    lines = lines_of(data, encoding)
    if skipped:
        next(lines)
    reader = csv.reader(lines if strict else _marked(lines), delimiter=delimiter, strict=strict)
    records: list[Record] = []
    remembered: dict[str, str] = {}
    cells = 0
    row: list[str] = []
    for number, row in _numbered(reader):
        if number > MOST_LINES:
            raise UnreadableFileError(
                f"The file has more than {MOST_LINES:,} lines, most of them blank.",
                remedy="Delete the blank rows below the sheet, and export it again.",
            )
        if not strict and row == [_SENTINEL]:
            break
        record = _record(number, row, remembered)
        if record is None:
            continue
        cells += len(record.cells)
        _check_size(len(records), len(record.cells), cells)
        records.append(record)
    if not strict and row != [_SENTINEL]:
        last = records.pop().number if records else 1
        raise UnreadableFileError(
            f"A quotation mark that opens in record {last} is never closed.", remedy=_OPEN_QUOTE
        )
    return records


def _marked(lines: Iterator[str]) -> Iterator[str]:
    """The lines, and one of our own: an open quotation mark swallows all that follows it."""
    for line in lines:
        yield line if line.endswith("\n") else line + "\n"
    yield _SENTINEL


def _numbered(reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _explained(str(error), number, getattr(reader, "line_num", 0)) from error
        yield number, row


def _explained(error: str, number: int, line: int) -> Exception:
    if "expected after" in error:
        return _MisquotedError(line)
    if "unexpected end" in error:
        return UnreadableFileError(
            f"A quotation mark that opens in record {number} is never closed.", remedy=_OPEN_QUOTE
        )
    if "field limit" in error:
        return UnreadableFileError(
            f"Record {number}, near line {line}, has a cell of more than "
            f"{csv.field_size_limit():,} characters.",
            remedy="Shorten it; or look there for a quotation mark that is never closed.",
        )
    return UnreadableFileError(
        f"The file is no valid CSV near line {line}: {error}.",
        remedy="Look at that line, and export the sheet again.",
    )


def _record(number: int, cells: list[str], remembered: dict[str, str]) -> Record | None:
    # Spreadsheets pad rows far to the right; only text makes a column.
    while cells and not cells[-1]:
        cells.pop()
    text = "".join(cells)
    if not text or text.isspace():
        return None
    replaced: tuple[int, ...] = ()
    if CONTROL.search(text):
        replaced = tuple(index for index, cell in enumerate(cells) if CONTROL.search(cell))
        cells = [CONTROL.sub("\ufffd", cell) for cell in cells]
    if len(remembered) < _REMEMBERED:
        kept = [remembered.setdefault(cell, cell) if len(cell) < _SHORT else cell for cell in cells]
    else:
        kept = [remembered.get(cell, cell) for cell in cells]
    return Record(number=number, cells=tuple(kept), replaced=replaced)


def _check_size(rows: int, width: int, cells: int) -> None:
    if rows > MOST_ROWS or width > MOST_COLUMNS or cells > _MOST_CELLS:
        what = (
            f"{MOST_ROWS:,} rows"
            if rows > MOST_ROWS
            else f"{MOST_COLUMNS} columns"
            if width > MOST_COLUMNS
            else f"{_MOST_CELLS:,} cells"
        )
        raise UnreadableFileError(
            f"The file has more than {what}.",
            remedy="Upload one sheet per file, and delete what does not belong to it.",
        )


def _header_index(records: Sequence[Record], types: Sequence[CsvType]) -> int:
    """Which record is the header: the first, or one below a title that could be none."""
    first = [cell for cell in records[0].cells if cell.strip()]
    known = {
        header_name(name)
        for csv_type in types
        for column in csv_type.columns
        for name in (column.name, *column.aliases)
    }
    if len(first) > 1 and any(header_name(cell) in known for cell in first):
        return 0
    return next(
        (
            index
            for index, record in enumerate(records[:_HEADER_WITHIN])
            if is_header(record.cells, types)
        ),
        0,
    )
