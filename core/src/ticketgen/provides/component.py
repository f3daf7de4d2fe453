"""What a ticket is written from: one component of the site, copied from its rows, never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Component", "ComponentLink", "ComponentList", "ComponentTable", "SheetRow", "Source"]


@dataclass(frozen=True, kw_only=True)
class SheetRow:
    """One row of a sheet: every cell exactly as the file has it."""

    file: str
    row: int
    """Number of the record, counted from 1 for the first of the file, as spreadsheets do."""
    cells: Mapping[str, str]
    """Header to text, in file order; a missing cell is an empty text."""
    columns: Mapping[str, str]
    """Name of a column in its CSV type to the header this file uses for it."""
    status: frozenset[str] = frozenset()
    """Headers of the author's own status and estimates, which say nothing of the component."""

    def text(self, column: str) -> str:
        """The cell of a column of the CSV type without outer spaces; empty if there is none."""
        header = self.columns.get(column)
        return self.cells.get(header, "").strip() if header is not None else ""

    @property
    def filled(self) -> dict[str, str]:
        """The cells that hold more than spaces, by header, in file order."""
        return {header: text for header, text in self.cells.items() if text.strip()}


@dataclass(frozen=True, kw_only=True)
class Source:
    """The rows of one file that a ticket was made from."""

    file: str
    rows: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ComponentTable:
    """The child rows of a component that come from one type of sheet."""

    csv_type: str
    heading: str
    rows: tuple[SheetRow, ...]

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header under which at least one row holds text, in file order."""
        filled = {header for row in self.rows for header in row.filled}
        ordered = dict.fromkeys(header for row in self.rows for header in row.cells)
        return tuple(header for header in ordered if header in filled)


@dataclass(frozen=True, kw_only=True)
class ComponentLink:
    """Another component, by key and by the title of its ticket."""

    key: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ComponentList:
    """Components that name this one and are worth a list on its ticket."""

    heading: str
    links: tuple[ComponentLink, ...]


@dataclass(frozen=True, kw_only=True)
class Component:
    """One thing to build, which is one ticket: its row, its child rows and what it needs first."""

    key: str
    """Unique in a specification and the same for the same sheets: `bundles:vocabulary:topics`."""
    csv_type: str
    label: str
    """What it is called: `Content type`, `View`."""
    entity_group: str
    name: str
    machine_name: str
    """As the sheet writes it; empty where it gives none."""
    qualifier: str
    """The kind that tells it apart from others of its name; empty where the type has none."""
    title: str
    """Of the ticket: `Content type: Article (article)`."""
    position: int
    """From 1, every component after those it depends on."""
    row: SheetRow | None
    """None where child rows name a component that no sheet defines."""
    tables: tuple[ComponentTable, ...] = ()
    lists: tuple[ComponentList, ...] = ()
    depends_on: tuple[ComponentLink, ...] = ()
    notes: tuple[str, ...] = ()

    def text(self, column: str) -> str:
        """The cell of a column of the CSV type without outer spaces; empty if there is none."""
        return self.row.text(column) if self.row is not None else ""

    def child_rows(self, csv_type: str) -> tuple[SheetRow, ...]:
        """The child rows of one type of sheet; none is an empty tuple."""
        return tuple(
            row for table in self.tables if table.csv_type == csv_type for row in table.rows
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every row the ticket was made from, by file, the component's own first."""
        rows: dict[str, list[int]] = {}
        if self.row is not None:
            rows[self.row.file] = [self.row.row]
        for table in self.tables:
            for row in table.rows:
                rows.setdefault(row.file, []).append(row.row)
        return tuple(Source(file=file, rows=tuple(numbers)) for file, numbers in rows.items())
