"""What is known of a component before everything around it is known."""

from __future__ import annotations

from dataclasses import dataclass, field

from ticketgen.provides import CsvType, Kind, SheetRow
from ticketgen_processing.intake.parsing import is_spreadsheet_error, shorten
from ticketgen_processing.naming import exact_name

__all__ = ["NOT_NAMED", "Draft", "Need", "draft_of_row", "undefined_draft", "usable"]

NOT_NAMED = "not named in the sheet"
"""Stands for the name of a parent that its rows leave out."""

_LONGEST_GROUP = 100
"""As many characters as a stored ticket has room for."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """The cell that names what a component needs."""

    row: SheetRow
    column: str
    """The header as the sheet has it."""
    value: str


@dataclass(kw_only=True)
class Draft:
    """A component on its way: what is known so far, filled step by step inside one build."""

    csv_type: CsvType
    row: SheetRow | None
    name: str
    machine_name: str = ""
    qualifier: str = ""
    label: str = ""
    entity_group: str = ""
    rank: tuple[int, int] = (0, 0)
    key: str = ""
    children: dict[str, list[SheetRow]] = field(default_factory=dict)
    """By name of the child type."""
    needs: dict[int, Need] = field(default_factory=dict)
    """Indexes of drafts, in the order the rows name them, with the first cell that does."""
    lists: dict[str, dict[int, None]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Equal for two definitions of the same thing."""
        name = self.machine_name or self.name
        return self.csv_type.name, exact_name(self.qualifier), exact_name(name)


def draft_of_row(row: SheetRow, csv_type: CsvType, rank: int) -> Draft:
    """The component a row defines, `rank` being the place of its type in the building order."""
    machine_name = usable(row.text(csv_type.machine_name_column or ""))
    name = row.text(csv_type.title_column) or machine_name or f"row {row.row} of {row.file}"
    qualifier = usable(row.text(csv_type.qualifier_column or ""))
    kind, kind_rank = _kind(csv_type, qualifier)
    draft = Draft(csv_type=csv_type, row=row, name=name, machine_name=machine_name)
    draft.qualifier = kind.value if kind else qualifier
    _classify(draft, kind, usable(row.text(csv_type.group_column or "")))
    draft.rank = (rank, kind_rank)
    return draft


def undefined_draft(csv_type: CsvType, text: str, rank: int) -> Draft:
    """A component that rows of another sheet name, `Image (Media type)`, but no row defines."""
    name, qualifier = text, ""
    if text.endswith(")") and "(" in text:
        start, _, end = text[:-1].rpartition("(")
        if _kind(csv_type, end)[0] is not None and start.strip():
            name, qualifier = start.strip(), end.strip()
    kind, kind_rank = _kind(csv_type, qualifier)
    draft = Draft(csv_type=csv_type, row=None, name=name or NOT_NAMED)
    draft.qualifier = kind.value if kind else qualifier
    _classify(draft, kind, "")
    draft.rank = (rank, kind_rank)
    return draft


def usable(text: str) -> str:
    """The text of a cell that names something; empty for `-` and for a failed formula."""
    return "" if text in {"-", "–", "—"} or is_spreadsheet_error(text) else text


def _classify(draft: Draft, kind: Kind | None, group: str) -> None:
    draft.label = kind.value if kind else draft.csv_type.label
    draft.entity_group = kind.entity_group if kind else _group(group or draft.csv_type.entity_group)


def _group(text: str) -> str:
    line = shorten(text)
    return line if len(line) <= _LONGEST_GROUP else line[: _LONGEST_GROUP - 1] + "…"


def _kind(csv_type: CsvType, qualifier: str) -> tuple[Kind | None, int]:
    wanted = exact_name(qualifier)
    for index, kind in enumerate(csv_type.kinds):
        if wanted in map(exact_name, (kind.value, *kind.aliases)):
            return kind, index
    return None, len(csv_type.kinds)
