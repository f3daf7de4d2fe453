"""What one kind of specification sheet looks like, as a value that any plugin may contribute."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Column", "CsvType", "Kind", "ParentLink", "Reference"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column by its usual header; case, spaces and punctuation of a header never matter."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other headers seen for the same column."""
    required: bool = False
    """A sheet without it is reported with an error; its rows are still read."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One value of the qualifier column, with the words used for components of that kind."""

    value: str
    """As the sheet writes it: `Content type`."""
    entity_group: str
    """The group it is displayed under: `Content types`."""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ParentLink:
    """Makes the rows of a sheet a table on the ticket of the component they name."""

    csv_type: str
    """Name of the type whose components are the parents; it must not have a parent itself."""
    column: str
    """Holds the parent's name, `Article`, or its name and kind, `Article (Content type)`."""
    heading: str
    """Above the table on the parent's ticket: `Fields`."""
    machine_name_column: str | None = None
    """Holds the parent's machine name, asked where the name alone does not decide."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A column that names components of other sheets, or sibling rows on the same ticket.

    A reference between components is a dependency of the row's ticket. One between rows of the
    same parent (`siblings`) is only checked.
    """

    column: str
    targets: tuple[str, ...]
    """Names of the types the column may refer to, tried in this order."""
    machine_name_column: str | None = None
    """Holds the target's machine name, asked where the name finds nothing."""
    qualifier_column: str | None = None
    """Holds the target's kind, where the cell itself names none."""
    several: bool = False
    """The cell may list several names, separated by commas, semicolons or line breaks."""
    by_group: bool = False
    """A name also stands for every component whose name continues it: `Card` for `Card 2x`."""
    siblings: bool = False
    """The targets are rows under the same parent, not components of their own."""
    ignored: tuple[str, ...] = ("-", "all", "any", "n/a", "none")
    """A cell that is, or begins with, one of these words refers to nothing in particular."""
    listed_as: str | None = None
    """Heading of the list on the *target's* ticket that names the referring component."""


@dataclass(frozen=True, kw_only=True)
class CsvType:
    """One kind of sheet: how to recognise it, read it, and turn its rows into tickets.

    Every row becomes a ticket of its own, except in a type with a `parent`: there the rows are
    tables on the tickets of their parents.
    """

    name: str
    """Stable identifier: `bundles`."""
    label: str
    """What one row is called: `Bundle`."""
    entity_group: str
    """The group its tickets are displayed under, unless a kind or `group_column` says other."""
    file_stems: tuple[str, ...]
    """Endings of file names it is recognised by, whatever the project's prefix."""
    columns: tuple[Column, ...]
    title_column: str
    machine_name_column: str | None = None
    qualifier_column: str | None = None
    """Tells rows of the same name apart: the kind of a bundle, the entity type of a view mode."""
    kinds: tuple[Kind, ...] = ()
    """Known values of the qualifier column that rename and regroup the ticket."""
    group_column: str | None = None
    """Its text is the display group where no kind decides."""
    parent: ParentLink | None = None
    references: tuple[Reference, ...] = ()
    unique_rows: bool = True
    """Whether the same machine name twice under one parent is worth a warning."""
    status_columns: tuple[str, ...] = ("X", "Dev", "QA")
    """The author's own status and estimates: copied to the ticket, never judged."""
