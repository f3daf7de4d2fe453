"""The cells of one sheet of a workbook, as CSV with the rows where they are in the workbook."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ticketgen_processing.intake.decoding import UnreadableFileError
from ticketgen_processing.intake.reading import MOST_COLUMNS, MOST_LINES
from ticketgen_processing.intake.unpacking import damaged
from ticketgen_processing.intake.workbook_texts import CellText, Room
from ticketgen_processing.intake.xml_events import Attributes, read_xml

__all__ = ["Grid", "read_grid", "written"]

_LONGEST_CELL = 131_072
_MOST_MERGES = 10_000
_REF = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_RANGE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6}):([A-Z]{1,3})([1-9][0-9]{0,6})")
_UNKNOWN_FORMULA = "=FORMULA()"
_REMEDY = "Delete what does not belong to the sheet, and upload the workbook again."


@dataclass(kw_only=True)
class Grid:
    """The cells of a sheet: rows with text only, each with its number and its cells from A."""

    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    """Ranges over several rows, whose text was given to each of them."""


def read_grid(pieces: Iterable[bytes], name: str, texts: CellText) -> Grid:
    """Every cell with text, in one pass.

    Raises:
        UnreadableFileError: the part is damaged, or larger than a sheet can be.
    """
    reader = _Reader(texts)
    read_xml(pieces, name, start=reader.start, end=reader.end, text=reader.text)
    _fill_merged(reader.grid, reader.ranges, texts.room)
    return reader.grid


def written(grid: Grid) -> bytes:
    """The sheet as CSV in UTF-8; blank rows are blank lines, so that every row keeps its number."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    line = 1
    for number, cells in grid.rows:
        out.write("\n" * (number - line))
        writer.writerow(cells)
        line = number + 1
    return out.getvalue().encode()


class _Reader:
    """Gathers the cells of a sheet from its elements."""

    def __init__(self, texts: CellText) -> None:
        self.grid = Grid()
        self.ranges: list[tuple[str, int, int, int]] = []
        self._texts = texts
        self._row = 0
        self._digits = ""
        self._cells: list[str] = []
        self._column = -1
        self._kind = "n"
        self._style = ""
        self._value: list[str] = []
        self._formula: list[str] | None = None
        self._has_value = False
        self._taking: list[str] | None = None
        self._phonetic = False

    def start(self, element: str, attributes: Attributes) -> None:
        if element == "c":
            self._begin_cell(attributes)
        elif element == "v" or (element == "t" and not self._phonetic):
            self._has_value = True
            self._taking = self._value
        elif element == "row":
            self._begin_row(attributes.get("r"))
        elif element == "f":
            self._formula = self._taking = []
        elif element == "rPh":
            self._phonetic = True
        elif element == "mergeCell":
            self._merge(attributes.get("ref", ""))

    def end(self, element: str) -> None:
        if element == "c":
            self._end_cell()
        elif element in {"v", "t", "f"}:
            self._taking = None
        elif element == "row":
            if self._cells:
                self.grid.rows.append((self._row, self._cells))
        elif element == "rPh":
            self._phonetic = False

    def text(self, text: str) -> None:
        if self._taking is not None:
            self._taking.append(text)

    def _begin_row(self, number: str | None) -> None:
        if number is None:
            row = self._row + 1
        elif number.isdecimal() and len(number) < 8:
            row = int(number)
        else:
            raise damaged("a row has no number")
        if row <= self._row:
            raise damaged("its rows are not in order")
        self._row, self._digits = row, str(row)
        self._cells, self._column = [], -1

    def _begin_cell(self, attributes: Attributes) -> None:
        ref = attributes.get("r")
        self._column = self._column + 1 if ref is None else self._column_of(ref)
        self._kind = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self._value = []
        self._formula = None
        self._has_value = False

    def _column_of(self, ref: str) -> int:
        found = _REF.fullmatch(ref)
        if found is None or found[2] != self._digits:
            raise damaged("a cell is not where its row is")
        return _column_number(found[1])

    def _end_cell(self) -> None:
        value = "".join(self._value)
        text = self._texts.of(self._kind, self._style, value) if self._has_value else ""
        if self._formula is not None and not value and self._kind != "str":
            text = f"={''.join(self._formula)}" if any(self._formula) else _UNKNOWN_FORMULA
        if not text or text.isspace():
            return
        self._check(len(text))
        self._texts.room.take(len(text), cells=max(1, self._column + 1 - len(self._cells)))
        while len(self._cells) <= self._column:
            self._cells.append("")
        self._cells[self._column] = text

    def _check(self, length: int) -> None:
        what = ""
        if length > _LONGEST_CELL:
            what = f"a cell of more than {_LONGEST_CELL:,} characters in row {self._row:,}"
        elif self._column >= MOST_COLUMNS:
            what = f"text beyond its column {MOST_COLUMNS}, in row {self._row:,}"
        elif self._row > MOST_LINES:
            what = f"text beyond its row {MOST_LINES:,}"
        if what:
            raise UnreadableFileError(f"The sheet has {what}.", remedy=_REMEDY)

    def _merge(self, ref: str) -> None:
        found = _RANGE.fullmatch(ref)
        if found is None or len(self.ranges) >= _MOST_MERGES:
            return
        column, top, bottom = _column_number(found[1]), int(found[2]), int(found[4])
        if found[1] == found[3] and top < bottom:
            self.ranges.append((ref, column, top, bottom))


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _fill_merged(grid: Grid, ranges: Sequence[tuple[str, int, int, int]], room: Room) -> None:
    """Give the text of a cell that goes over several rows to each of them: so it is meant.

    A row that has no text of its own stays blank.
    """
    if not ranges:
        return
    places = {number: index for index, (number, _) in enumerate(grid.rows)}
    filled: set[tuple[int, int]] = set()
    for ref, column, top, bottom in ranges:
        first = places.get(top)
        cells = grid.rows[first][1] if first is not None else []
        if first is None or column >= len(cells) or not cells[column]:
            continue
        for index in range(first + 1, len(grid.rows)):
            number, below = grid.rows[index]
            if number > bottom or (number, column) in filled:
                break
            filled.add((number, column))
            added = max(0, column + 1 - len(below))
            below.extend([""] * added)
            if not below[column]:
                room.take(len(cells[column]), cells=added)
                below[column] = cells[column]
        grid.merged.append(ref)
