"""Which component needs which, from the references in their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, Reference, SheetRow
from ticketgen_processing.building.drafts import Draft, Need, usable
from ticketgen_processing.building.references import (
    Directory,
    Match,
    choice,
    is_ignored,
    split_names,
)
from ticketgen_processing.collecting import Collected
from ticketgen_processing.intake.parsing import shorten
from ticketgen_processing.naming import exact_name

__all__ = ["link"]

_LARGEST_GROUP = 100


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A cell that refers to something."""

    row: SheetRow
    reference: Reference
    text: str

    @property
    def header(self) -> str:
        return self.row.columns.get(self.reference.column, self.reference.column)

    @property
    def qualifier(self) -> str:
        return usable(self.row.text(self.reference.qualifier_column or ""))


@dataclass(frozen=True, kw_only=True)
class _Siblings:
    """The rows of a ticket that other rows of it may name."""

    known: frozenset[str]
    labels: tuple[str, ...]
    """The first ones."""


def link(
    drafts: Sequence[Draft], directory: Directory, types: Mapping[str, CsvType]
) -> list[Finding]:
    """Fills in what each draft needs and is listed on; returns what refers to nothing.

    A name that cannot be resolved costs a finding and a note on the ticket, nothing else.
    """
    findings = Collected()
    unknown_sheets: set[tuple[str, str]] = set()
    for index, draft in enumerate(drafts):
        siblings: dict[tuple[str, ...], _Siblings] = {}
        for place in _places(draft, types):
            targets = place.reference.targets
            if place.reference.siblings:
                if targets not in siblings:
                    siblings[targets] = _siblings_of(draft, targets, types)
                findings.add(_check_sibling(draft, place, siblings[targets], types))
                continue
            if not any(directory.has(target) for target in targets):
                draft.notes.append(f"{_where(place)} could not be linked: no file defines it.")
                cell = (place.row.file, place.header)
                if cell not in unknown_sheets:
                    findings.add([_missing_sheet(place)])
                unknown_sheets.add(cell)
                continue
            findings.add(_resolve(index, draft, place, drafts, directory))
    return findings.findings


def _places(draft: Draft, types: Mapping[str, CsvType]) -> Iterator[_Place]:
    rows = [(draft.csv_type, draft.row)] if draft.row is not None else []
    rows += [(types[name], row) for name, children in draft.children.items() for row in children]
    for csv_type, row in rows:
        for reference in csv_type.references:
            text = usable(row.text(reference.column))
            if text:
                yield _Place(row=row, reference=reference, text=text)


def _resolve(
    index: int, draft: Draft, place: _Place, drafts: Sequence[Draft], directory: Directory
) -> list[Finding]:
    reference = place.reference
    machine_name = usable(place.row.text(reference.machine_name_column or ""))
    whole = _find(place, directory, place.text, machine_name)
    names = [place.text]
    matches = [whole]
    if whole.index is None and reference.several and not is_ignored(place.text, reference.ignored):
        names = list(split_names(place.text))
        matches = [_find(place, directory, name, "") for name in names]
    findings: list[Finding] = []
    for name, match in zip(names, matches, strict=True):
        grouped = reference.by_group and 0 < len(match.indexes) <= _LARGEST_GROUP
        if match.index is None and not grouped:
            if not is_ignored(name, reference.ignored):
                findings.append(_report(draft, place, name, match, directory))
            continue
        for target in match.indexes:
            draft.needs.setdefault(target, Need(row=place.row, column=place.header, value=name))
            if reference.listed_as is not None and target != index:
                drafts[target].lists.setdefault(reference.listed_as, {}).setdefault(index)
    return findings


def _find(place: _Place, directory: Directory, name: str, machine_name: str) -> Match:
    best = Match()
    for target in place.reference.targets:
        match = directory.find(target, name, qualifier=place.qualifier, machine_name=machine_name)
        if place.reference.by_group:
            group = directory.group(target, name)
            if len(group.indexes) > _LARGEST_GROUP:
                match = group
            else:
                match = Match(indexes=tuple(dict.fromkeys((*match.indexes, *group.indexes))))
        if match.index is not None:
            return match
        best = best if best.indexes else match
    return best


def _report(draft: Draft, place: _Place, name: str, match: Match, directory: Directory) -> Finding:
    where = _where(place, name)
    if match.indexes:
        near = tuple(directory.entries[index].label for index in match.indexes[:3])
        message = f"“{shorten(name)}” is the name of {len(match.indexes)} components."
        remedy = f"Say which one is meant, for example {choice(near)}."
        draft.notes.append(f"{where} is not clear: {len(match.indexes)} components have that name.")
    else:
        near = directory.suggestions(
            place.reference.targets,
            name,
            qualifier=place.qualifier,
            with_kind=not place.qualifier,
        )
        targets = " or ".join(target.replace("_", " ") for target in place.reference.targets)
        of_kind = f" of the kind “{shorten(place.qualifier)}”" if place.qualifier else ""
        message = f"“{shorten(name)}” is not defined among the {targets}{of_kind}."
        remedy = f"Write {choice(near)} if that is meant; else add" if near else "Add"
        remedy = f"{remedy} “{shorten(name)}” to the {targets} sheet, or correct the name here."
        meant = f" Did the sheet mean {choice(near)}?" if near else ""
        draft.notes.append(f"{where} is defined in no sheet.{meant}")
    return _finding(place, "processing.reference", message, remedy, name, suggestions=near)


def _siblings_of(draft: Draft, targets: Sequence[str], types: Mapping[str, CsvType]) -> _Siblings:
    rows = [(types[target], row) for target in targets for row in draft.children.get(target, ())]
    return _Siblings(
        known=frozenset(
            exact_name(row.text(column))
            for csv_type, row in rows
            for column in (csv_type.title_column, csv_type.machine_name_column or "")
        ),
        labels=tuple(row.text(csv_type.title_column) for csv_type, row in rows[:5]),
    )


def _check_sibling(
    draft: Draft, place: _Place, siblings: _Siblings, types: Mapping[str, CsvType]
) -> list[Finding]:
    reference = place.reference
    names = split_names(place.text) if reference.several else (place.text,)
    findings: list[Finding] = []
    for name in names:
        if exact_name(name) in siblings.known or is_ignored(name, reference.ignored):
            continue
        target = types[reference.targets[0]].label.lower()
        message = f"“{shorten(name)}” is no {target} of “{shorten(draft.name)}”."
        labels = siblings.labels
        listed = f"Write {choice(labels)}; or" if labels else "Correct it, or"
        draft.notes.append(f"{_where(place, name)} is no {target} of this ticket.")
        remedy = f"{listed} add the {target} to its sheet."
        findings.append(
            _finding(place, "processing.reference", message, remedy, name, suggestions=labels)
        )
    return findings


def _missing_sheet(place: _Place) -> Finding:
    targets = " or ".join(target.replace("_", " ") for target in place.reference.targets)
    return _finding(
        place,
        "processing.missing_sheet",
        f"The column refers to {targets}, but none of the files defines any.",
        f"Upload the {targets} sheet as well, or go on without links to them.",
        place.text,
        severity=Severity.WARNING,
    )


def _finding(
    place: _Place,
    rule: str,
    message: str,
    remedy: str,
    value: str,
    *,
    severity: Severity = Severity.ERROR,
    suggestions: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        severity=severity,
        rule=rule,
        message=message,
        remedy=remedy,
        file=place.row.file,
        row=place.row.row,
        column=place.header,
        value=shorten(value),
        suggestions=suggestions,
    )


def _where(place: _Place, name: str | None = None) -> str:
    text = shorten(place.text if name is None else name)
    return f"“{text}” ({place.header}, {place.row.file}, row {place.row.row})"
