"""What a specification defines more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, SheetRow
from ticketgen_processing.building.drafts import Draft, usable
from ticketgen_processing.building.references import choice
from ticketgen_processing.collecting import Collected
from ticketgen_processing.intake.parsing import shorten
from ticketgen_processing.naming import exact_name

__all__ = ["mark_duplicates", "repeated_rows"]


def mark_duplicates(drafts: Iterable[Draft]) -> list[Finding]:
    """A warning, and a note on the ticket, for every later definition of the same component."""
    findings = Collected()
    first: dict[tuple[str, str, str], Draft] = {}
    for draft in drafts:
        earlier = first.setdefault(draft.identity, draft)
        if earlier is draft or draft.row is None or earlier.row is None:
            continue
        place = f"{earlier.row.file}, row {earlier.row.row}"
        draft.notes.append(f"Also defined in {place}; what refers to it means that one.")
        column = draft.csv_type.machine_name_column if draft.machine_name else None
        column = column or draft.csv_type.title_column
        findings.add([_defined_before(draft, draft.row, place, column)])
    return findings.findings


def _defined_before(draft: Draft, row: SheetRow, place: str, column: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        rule="processing.duplicate",
        message=f"The same {draft.label.lower()} is defined in {place}.",
        remedy="Delete one of the rows, or give it a name of its own.",
        file=row.file,
        row=row.row,
        column=row.columns.get(column, column),
        value=shorten(draft.machine_name or draft.name),
    )


def repeated_rows(drafts: Iterable[Draft], types: Mapping[str, CsvType]) -> list[Finding]:
    """A warning for every machine name that one parent has twice, where that is a mistake.

    It may have been meant for another parent of the same name: then that one is suggested.
    """
    findings = Collected()
    drafts = list(drafts)
    namesakes: dict[tuple[str, str], list[Draft]] = defaultdict(list)
    for draft in drafts:
        namesakes[draft.csv_type.name, exact_name(draft.name)].append(draft)
    for draft in drafts:
        for type_name, rows in draft.children.items():
            csv_type = types[type_name]
            if not csv_type.unique_rows or csv_type.machine_name_column is None:
                continue
            first: dict[str, SheetRow] = {}
            for row in rows:
                machine_name = usable(row.text(csv_type.machine_name_column))
                earlier = first.setdefault(machine_name, row)
                if machine_name and earlier is not row:
                    others = namesakes[draft.csv_type.name, exact_name(draft.name)]
                    findings.add([_repeated(row, earlier, csv_type, draft, others)])
    return findings.findings


def _repeated(
    row: SheetRow, earlier: SheetRow, csv_type: CsvType, draft: Draft, namesakes: Iterable[Draft]
) -> Finding:
    column = csv_type.machine_name_column or csv_type.title_column
    parent = csv_type.parent.column if csv_type.parent is not None else ""
    near = tuple(
        f"{other.name} ({other.qualifier})"
        for other in namesakes
        if other.qualifier and other.qualifier != draft.qualifier
    )[:3]
    moved = f", or write {choice(near)} under “{row.columns.get(parent, parent)}”" if near else ""
    return Finding(
        severity=Severity.WARNING,
        rule="processing.duplicate",
        message=f"“{shorten(row.text(parent))}” has this {csv_type.label.lower()} already, in "
        f"{earlier.file}, row {earlier.row}.",
        remedy=f"Delete one of the rows, give it a machine name of its own{moved}."
        if near
        else "Delete one of the rows, or give it a machine name of its own.",
        file=row.file,
        row=row.row,
        column=row.columns.get(column, column),
        value=shorten(row.text(column)),
        suggestions=near,
    )
