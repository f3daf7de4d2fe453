"""What is said about rows whose parent no sheet defines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ticketgen import Finding, Severity
from ticketgen.provides import ParentLink, SheetRow
from ticketgen_processing.building.drafts import NOT_NAMED, Draft
from ticketgen_processing.building.references import Directory, Entry, choice
from ticketgen_processing.intake.parsing import shorten

__all__ = ["report_strays"]


def report_strays(
    link: ParentLink,
    directory: Directory,
    orphanages: Mapping[tuple[str, str], Draft],
    strays: Mapping[tuple[str, str], Sequence[SheetRow]],
) -> list[Finding]:
    """One finding per parent that is not defined, or one alone if its whole sheet is missing."""
    known = directory.has(link.csv_type)
    findings: list[Finding] = []
    for identity, rows in strays.items():
        orphan = orphanages[identity]
        near = () if orphan.name == NOT_NAMED else _near(directory, link, orphan)
        candidates = directory.find(link.csv_type, orphan.name).indexes
        if not orphan.notes and candidates:
            orphan.notes.append(
                f"“{shorten(orphan.name)}” is the name of {len(candidates)} components; the rows "
                "that do not say which of them they mean are gathered here."
            )
        elif not orphan.notes:
            orphan.notes.append(_undefined_note(orphan, near=near, known=known))
        if known or not findings:
            finding = (
                _unclear_finding(rows[0], link, orphan, [directory.entries[i] for i in candidates])
                if candidates
                else _parent_finding(rows[0], link, orphan, near=near, known=known)
            )
            findings.append(finding)
    return findings


def _near(directory: Directory, link: ParentLink, orphan: Draft) -> tuple[str, ...]:
    return directory.suggestions((link.csv_type,), orphan.name, qualifier=orphan.qualifier)


def _undefined_note(draft: Draft, *, near: tuple[str, ...], known: bool) -> str:
    label = draft.label.lower()
    if draft.name == NOT_NAMED:
        return f"The rows below name no {label}; nothing of them was left out."
    meant = f" Did the sheet mean {choice(near)}?" if near else ""
    where = "is not defined in its sheet" if known else "is defined in none of the files"
    return (
        f"The {label} “{shorten(draft.name)}” {where}, so this ticket has no configuration of "
        f"its own; the rows that name it are gathered here.{meant}"
    )


def _unclear_finding(
    row: SheetRow, link: ParentLink, orphan: Draft, candidates: Sequence[Entry]
) -> Finding:
    labels = tuple(entry.label for entry in candidates[:3])
    return Finding(
        severity=Severity.ERROR,
        rule="processing.parent",
        message=f"“{shorten(orphan.name)}” is the name of {len(candidates)} components; the rows "
        "that name it got a ticket of their own.",
        remedy=f"Say which one is meant, for example {choice(labels)}.",
        file=row.file,
        row=row.row,
        column=row.columns.get(link.column, link.column),
        value=shorten(orphan.name),
        suggestions=labels,
    )


def _parent_finding(
    row: SheetRow, link: ParentLink, orphan: Draft, *, near: tuple[str, ...], known: bool
) -> Finding:
    label, name = orphan.label.lower(), shorten(orphan.name)
    column = row.columns.get(link.column, link.column)
    if not known:
        return Finding(
            severity=Severity.WARNING,
            rule="processing.missing_sheet",
            message=f"None of the files defines a {label}, but this one names “{name}” and others.",
            remedy=f"Upload the {orphan.csv_type.name.replace('_', ' ')} sheet as well.",
            file=row.file,
            row=row.row,
            column=column,
            value=name,
        )
    if orphan.name == NOT_NAMED:
        message = f"The row names no {label}; such rows are gathered on a ticket of their own."
        remedy = f"Fill in “{column}”."
    else:
        message = f"No sheet defines the {label} “{name}”; its rows got a ticket of their own."
        remedy = f"Write {choice(near)} if that is meant; else add" if near else "Add"
        remedy = f"{remedy} “{name}” to the {orphan.csv_type.name.replace('_', ' ')} sheet."
    return Finding(
        severity=Severity.ERROR,
        rule="processing.parent",
        message=message,
        remedy=remedy,
        file=row.file,
        row=row.row,
        column=column,
        value=shorten(row.text(link.column)),
        suggestions=near,
    )
