"""Which components the rows describe, and which rows belong to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, ParentLink, SheetRow
from ticketgen_processing.building.drafts import Draft, draft_of_row, undefined_draft, usable
from ticketgen_processing.building.duplicates import mark_duplicates, repeated_rows
from ticketgen_processing.building.orphans import report_strays
from ticketgen_processing.building.references import Directory, Entry
from ticketgen_processing.collecting import Collected
from ticketgen_processing.intake.parsing import Sheet
from ticketgen_processing.intake.remarks import shorten
from ticketgen_processing.naming import exact_name, slug

__all__ = ["Gathered", "gather"]

_LONGEST_SLUG = 80


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All drafts, those of the directory first and in its order."""

    drafts: list[Draft]
    directory: Directory
    findings: list[Finding]


def gather(sheets: Sequence[Sheet], types: Mapping[str, CsvType]) -> Gathered:
    """Every row as a draft, or as a child of one; no row is left out.

    Child rows whose parent no sheet defines are gathered on a draft of its own for that parent.
    """
    ranks = {name: index for index, name in enumerate(types)}
    findings = Collected()
    drafts: list[Draft] = []
    for sheet, csv_type in _sheets(sheets, types, children=False):
        for row in sheet.rows:
            drafts.append(draft_of_row(row, csv_type, ranks[csv_type.name]))
            findings.add(_title_findings(row, csv_type))
            findings.add(_empty_cells(row, csv_type))
    directory = Directory(
        [
            Entry(
                csv_type=draft.csv_type.name,
                name=draft.name,
                machine_name=draft.machine_name,
                qualifier=draft.qualifier,
            )
            for draft in drafts
        ],
        qualifier_aliases={
            (csv_type.name, exact_name(spelling)): kind.value
            for csv_type in types.values()
            for kind in csv_type.kinds
            for spelling in (kind.value, *kind.aliases)
        },
    )
    findings.add(mark_duplicates(drafts))
    findings.add(_adopt(drafts, directory, sheets, types, ranks))
    findings.add(repeated_rows(drafts, types))
    _assign_keys(drafts)
    return Gathered(drafts=drafts, directory=directory, findings=findings.findings)


def _sheets(
    sheets: Sequence[Sheet], types: Mapping[str, CsvType], *, children: bool
) -> Iterator[tuple[Sheet, CsvType]]:
    for sheet in sheets:
        csv_type = types[sheet.csv_type]
        if (_parent_of(csv_type, types) is not None) == children:
            yield sheet, csv_type


def _parent_of(csv_type: CsvType, types: Mapping[str, CsvType]) -> ParentLink | None:
    # A parent from a plugin that is not installed, or a child itself, can hold no tables.
    link = csv_type.parent
    if link is None or link.csv_type not in types or types[link.csv_type].parent is not None:
        return None
    return link


def _title_findings(row: SheetRow, csv_type: CsvType) -> list[Finding]:
    if usable(row.text(csv_type.title_column)):
        return []
    return [
        Finding(
            severity=Severity.WARNING,
            rule="processing.missing_title",
            message=f"The row has no {csv_type.title_column}; its ticket is named in its place.",
            remedy=f"Fill in “{csv_type.title_column}”, or delete the row.",
            file=row.file,
            row=row.row,
            column=row.columns.get(csv_type.title_column, csv_type.title_column),
        )
    ]


def _empty_cells(row: SheetRow, csv_type: CsvType) -> Iterator[Finding]:
    """A warning for each value that a component of the type cannot do without."""
    parent = csv_type.parent.column if csv_type.parent is not None else ""
    for column in csv_type.columns:
        header = row.columns.get(column.name)
        if not column.required or header is None or row.cells[header].strip():
            continue
        if column.name == parent or (column.name == csv_type.title_column and not parent):
            continue
        yield Finding(
            severity=Severity.WARNING,
            rule="processing.missing_value",
            message=f"The {csv_type.label.lower()} “{_row_name(row, csv_type)}” has no “{header}”.",
            remedy="Fill in the cell, or delete the row if it is not to be built.",
            file=row.file,
            row=row.row,
            column=header,
        )


def _row_name(row: SheetRow, csv_type: CsvType) -> str:
    machine_name = row.text(csv_type.machine_name_column or "")
    return shorten(row.text(csv_type.title_column) or machine_name or f"row {row.row}")


def _adopt(
    drafts: list[Draft],
    directory: Directory,
    sheets: Sequence[Sheet],
    types: Mapping[str, CsvType],
    ranks: Mapping[str, int],
) -> list[Finding]:
    """Hands every child row to its parent; parents nobody defines are added to the drafts."""
    findings = Collected()
    orphanages: dict[tuple[str, str], Draft] = {}
    for sheet, csv_type in _sheets(sheets, types, children=True):
        link = _parent_of(csv_type, types)
        if link is None:
            continue
        strays: dict[tuple[str, str], list[SheetRow]] = {}
        for row in sheet.rows:
            findings.add(_empty_cells(row, csv_type))
            name, machine_name = _parent_names(row, link)
            index = directory.find(link.csv_type, name, machine_name=machine_name).index
            if index is not None:
                drafts[index].children.setdefault(csv_type.name, []).append(row)
            else:
                identity = (link.csv_type, exact_name(name or machine_name))
                strays.setdefault(identity, []).append(row)
        for identity, rows in strays.items():
            if identity not in orphanages:
                name = next(filter(None, _parent_names(rows[0], link)), "")
                orphanages[identity] = undefined_draft(
                    types[link.csv_type], name, ranks[link.csv_type]
                )
                drafts.append(orphanages[identity])
            orphanages[identity].children.setdefault(csv_type.name, []).extend(rows)
        findings.add(report_strays(link, directory, orphanages, strays))
    return findings.findings


def _parent_names(row: SheetRow, link: ParentLink) -> tuple[str, str]:
    return usable(row.text(link.column)), usable(row.text(link.machine_name_column or ""))


def _assign_keys(drafts: Sequence[Draft]) -> None:
    natural = [_natural_key(draft) for draft in drafts]
    taken, used = set(natural), set[str]()
    copies: dict[str, int] = {}
    for draft, key in zip(drafts, natural, strict=True):
        draft.key = key
        while draft.key in used or (draft.key != key and draft.key in taken):
            copies[key] = copies.get(key, 1) + 1
            draft.key = f"{key}-{copies[key]}"
        used.add(draft.key)


def _natural_key(draft: Draft) -> str:
    name = slug(draft.machine_name) or slug(draft.name) or "unnamed"
    parts = (draft.csv_type.name, slug(draft.qualifier), name)
    return ":".join(part[:_LONGEST_SLUG] for part in parts if part)
