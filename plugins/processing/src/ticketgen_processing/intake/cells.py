"""The cells of one row under the headers of its sheet, which all rows share."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping

__all__ = ["RowCells"]


class RowCells(Mapping[str, str]):
    """Header to text, in file order; a cell that the row does not have is an empty text.

    A dictionary for each row would take ten times the memory of the cells.
    """

    __slots__ = ("_cells", "_places")

    def __init__(self, places: Mapping[str, int], cells: tuple[str, ...]) -> None:
        """Read the cells of a row, `places` being the number of each header's column."""
        self._places = places
        self._cells = cells

    def __getitem__(self, header: str) -> str:
        place = self._places[header]
        return self._cells[place] if place < len(self._cells) else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return repr(dict(self))

    def items(self) -> ItemsView[str, str]:
        """Every header with its text."""
        return _Items(self)


class _Items(ItemsView[str, str]):
    _mapping: RowCells

    def __iter__(self) -> Iterator[tuple[str, str]]:
        cells = self._mapping._cells
        missing = len(self._mapping) - len(cells)
        return zip(self._mapping, (*cells, *("",) * missing), strict=True)
