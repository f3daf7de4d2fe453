"""Which component needs which, from the references in their rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, Reference, SheetRow
from ticketgen_processing.drafts import Draft, usable
from ticketgen_processing.naming import exact_name
from ticketgen_processing.parsing import shorten
from ticketgen_processing.references import Directory, Match, is_ignored, split_names

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


def link(
    drafts: Sequence[Draft], directory: Directory, types: Mapping[str, CsvType]
) -> list[Finding]:
    """Fills in what each draft needs and is listed on; returns what refers to nothing.

    A name that cannot be resolved costs a finding and a note on the ticket, nothing else.
    """
    findings: list[Finding] = []
    unknown_sheets: set[tuple[str, str]] = set()
    for index, draft in enumerate(drafts):
        for place in _places(draft, types):
            if place.reference.siblings:
                findings += _check_sibling(draft, place, types)
                continue
            if not any(directory.has(target) for target in place.reference.targets):
                draft.notes.append(f"{_where(place)} could not be linked: no file defines it.")
                cell = (place.row.file, place.header)
                if cell not in unknown_sheets:
                    findings.append(_missing_sheet(place))
                unknown_sheets.add(cell)
                continue
            findings += _resolve(index, draft, place, drafts, directory)
    return findings


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
            draft.needs.setdefault(target, place.row)
            if reference.listed_as is not None and target != index:
                drafts[target].lists.setdefault(reference.listed_as, {}).setdefault(index)
    return findings


def _find(place: _Place, directory: Directory, name: str, machine_name: str) -> Match:
    best = Match()
    for target in place.reference.targets:
        match = directory.find(target, name, qualifier=place.qualifier, machine_name=machine_name)
        if place.reference.by_group:
            group = directory.group(target, name)
            match = Match(indexes=tuple(dict.fromkeys((*match.indexes, *group.indexes))))
        if match.index is not None:
            return match
        best = best if best.indexes else match
    return best


def _report(draft: Draft, place: _Place, name: str, match: Match, directory: Directory) -> Finding:
    where = _where(place, name)
    if match.indexes:
        labels = [f"“{shorten(directory.entries[index].label)}”" for index in match.indexes[:3]]
        message = f"“{shorten(name)}” is the name of {len(match.indexes)} components."
        remedy = f"Say which one is meant, for example {' or '.join(labels)}."
        draft.notes.append(f"{where} is not clear: {len(match.indexes)} components have that name.")
    else:
        hint = directory.suggestion(place.reference.targets, name, qualifier=place.qualifier)
        targets = " or ".join(target.replace("_", " ") for target in place.reference.targets)
        message = f"“{shorten(name)}” is not defined among the {targets}."
        remedy = f"Write “{shorten(hint)}” if that is meant; else define" if hint else "Define"
        remedy = f"{remedy} “{shorten(name)}” in its sheet, or correct the name here."
        meant = f" Did the sheet mean “{shorten(hint)}”?" if hint else ""
        draft.notes.append(f"{where} is defined in no sheet.{meant}")
    return _finding(place, "processing.reference", message, remedy, name)


def _check_sibling(draft: Draft, place: _Place, types: Mapping[str, CsvType]) -> list[Finding]:
    reference = place.reference
    siblings = [
        (types[target], row)
        for target in reference.targets
        for row in draft.children.get(target, ())
    ]
    known = {
        exact_name(row.text(column))
        for csv_type, row in siblings
        for column in (csv_type.title_column, csv_type.machine_name_column or "")
    }
    names = split_names(place.text) if reference.several else (place.text,)
    findings: list[Finding] = []
    for name in names:
        if exact_name(name) in known or is_ignored(name, reference.ignored):
            continue
        target = types[reference.targets[0]].label.lower()
        message = f"“{shorten(name)}” is no {target} of “{shorten(draft.name)}”."
        labels = [row.text(csv_type.title_column) for csv_type, row in siblings[:5]]
        listed = f"Use one of: {shorten(', '.join(labels))}; or" if labels else "Correct it, or"
        draft.notes.append(f"{_where(place, name)} is no {target} of this ticket.")
        remedy = f"{listed} add the {target} to its sheet."
        findings.append(_finding(place, "processing.reference", message, remedy, name))
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
    )


def _where(place: _Place, name: str | None = None) -> str:
    text = shorten(place.text if name is None else name)
    return f"“{text}” ({place.header}, {place.row.file}, row {place.row.row})"
