"""The rows of a sheet under the columns of its type, with every problem at its place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, SheetRow
from ticketgen_processing.collecting import Collected
from ticketgen_processing.intake.cells import RowCells
from ticketgen_processing.intake.reading import Record, Table
from ticketgen_processing.intake.remarks import header_findings, shorten
from ticketgen_processing.naming import INVISIBLE, MACHINE_NAME, header_name

__all__ = ["Sheet", "is_spreadsheet_error", "parse_sheet", "shorten"]

_UNFIT_FOR_NAME = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME = 32
"""Characters Drupal takes of most machine names."""
_SPREADSHEET_ERROR = re.compile(r"#(N/A|NV|GETTING_DATA|DIV/0!|[A-Z][A-Z0-9_]*[!?])")
# A call, a sum, a cell of a sheet, or an order to another program.
_FORMULA = re.compile(
    r"=\s*[-+@(]*(?:[a-z_][\w.]{0,50}\(|[\d.]+\s*[-+*/^&]|\w{1,20}\|"
    r"|(?:'[^']{1,50}'!|[\w.]{1,50}!)?\$?[a-z]{1,3}\$?\d+\s*(?:$|[-+*/^&:<>=,;)]))",
    re.IGNORECASE,
)

_MOST_FINDINGS = 2_000
"""Of one sheet, that are named one by one."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One parsed file: its rows in order, without blank ones and ones that hold only errors."""

    file: str
    csv_type: str
    rows: tuple[SheetRow, ...]
    findings: tuple[Finding, ...]


def parse_sheet(file: str, table: Table, csv_type: CsvType) -> Sheet:
    """The rows of one type of sheet, each cell exactly as the file has it.

    Short rows are filled up with empty cells, surplus cells get a header of their own and a
    warning. A row that holds nothing but spreadsheet errors beside the author's status is
    reported and left out; every other row is kept, whatever else is wrong with it.
    """
    width = max(len(record.cells) for record in (table.header, *table.records))
    headers = _headers(table.header, width)
    places = {header: index for index, header in enumerate(headers)}
    columns = _columns(headers, csv_type)
    status = frozenset(columns.get(column, column) for column in csv_type.status_columns)
    findings = Collected(most=_MOST_FINDINGS)
    findings.add(header_findings(file, table, headers, csv_type, columns))
    rows: list[SheetRow] = []
    for record in table.records:
        cells = RowCells(places, record.cells)
        row = SheetRow(file=file, row=record.number, cells=cells, columns=columns, status=status)
        errors = _errors(record, headers)
        if errors and _holds_only_errors(record, headers, errors, status):
            findings.add([_only_errors(row, *next(iter(errors.items())))])
            continue
        findings.add(_record_findings(file, table.header, record, headers))
        findings.add(_cell_findings(row, record, headers, errors, csv_type))
        rows.append(row)
    return Sheet(
        file=file, csv_type=csv_type.name, rows=tuple(rows), findings=tuple(findings.findings)
    )


def is_spreadsheet_error(text: str) -> bool:
    """Whether a cell holds what a failed formula leaves behind: `#N/A`, `#VALUE!`, `#REF!`."""
    return _SPREADSHEET_ERROR.fullmatch(text.strip()) is not None


def _headers(header: Record, width: int) -> tuple[str, ...]:
    named: dict[str, None] = {}
    for index in range(width):
        text = header.cells[index].strip() if index < len(header.cells) else ""
        text = " ".join(text.split()) or f"Column {index + 1}"
        name, copy = text, 2
        while name in named:
            name, copy = f"{text} ({copy})", copy + 1
        named[name] = None
    return tuple(named)


def _columns(headers: Sequence[str], csv_type: CsvType) -> Mapping[str, str]:
    found: dict[str, str] = {}
    by_name = {header_name(header): header for header in reversed(headers)}
    for column in csv_type.columns:
        for name in map(header_name, (column.name, *column.aliases)):
            if name in by_name:
                found[column.name] = by_name[name]
                break
    return found


def _errors(record: Record, headers: Sequence[str]) -> dict[str, str]:
    return {
        headers[index]: cell
        for index, cell in enumerate(record.cells)
        if "#" in cell and is_spreadsheet_error(cell)
    }


def _holds_only_errors(
    record: Record, headers: Sequence[str], errors: Mapping[str, str], status: frozenset[str]
) -> bool:
    judged = [
        header
        for header, cell in zip(headers, record.cells, strict=False)
        if header not in status and cell.strip()
    ]
    return bool(judged) and all(header in errors for header in judged)


def _only_errors(row: SheetRow, header: str, text: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        rule="processing.error_row",
        message=f"The row holds only the spreadsheet error {text.strip()}; it was left out.",
        remedy="Leave it if it only parts others; else repair its formula, or delete the row.",
        file=row.file,
        row=row.row,
        column=header,
        value=text.strip(),
    )


def _record_findings(
    file: str, header: Record, record: Record, headers: Sequence[str]
) -> list[Finding]:
    beyond = [
        index
        for index in range(len(header.cells), len(record.cells))
        if record.cells[index].strip()
    ]
    findings = [_extra_cells(file, record, headers, beyond)] if beyond else []
    findings += [
        Finding(
            severity=Severity.WARNING,
            rule="processing.control_character",
            message="The cell holds invisible control characters; each was replaced by “\ufffd”.",
            remedy="Type the cell again in the sheet, without what was pasted into it.",
            file=file,
            row=record.number,
            column=headers[index],
            value=shorten(record.cells[index]),
        )
        for index in record.replaced
    ]
    return findings


def _extra_cells(
    file: str, record: Record, headers: Sequence[str], beyond: Sequence[int]
) -> Finding:
    what = "a cell" if len(beyond) == 1 else f"{len(beyond)} cells"
    kept = "it is kept under a header" if len(beyond) == 1 else "they are kept under headers"
    return Finding(
        severity=Severity.WARNING,
        rule="processing.extra_cell",
        message=f"The row has {what} beyond the last header; {kept} of ours.",
        remedy="Give the column a header, or quote the cell whose comma splits the row.",
        file=file,
        row=record.number,
        column=headers[beyond[0]],
        value=shorten(record.cells[beyond[0]]),
    )


def _cell_findings(
    row: SheetRow,
    record: Record,
    headers: Sequence[str],
    errors: Mapping[str, str],
    csv_type: CsvType,
) -> list[Finding]:
    lookups = _lookups(row, csv_type) if errors else {}
    findings = [
        _failed_lookup(row, header, text, named=lookups[header])
        if header in lookups
        else Finding(
            severity=Severity.ERROR,
            rule="processing.spreadsheet_error",
            message=f"The formula of this cell failed and left {text.strip()}.",
            remedy="Repair the formula, or replace the cell by the value that is meant.",
            file=row.file,
            row=row.row,
            column=header,
            value=text.strip(),
        )
        for header, text in errors.items()
    ]
    findings += _odd_cells(row, record, headers)
    machine_name = row.text(csv_type.machine_name_column) if csv_type.machine_name_column else ""
    if machine_name and not is_spreadsheet_error(machine_name):
        findings += _machine_name_findings(row, csv_type, machine_name)
    return findings


def _lookups(row: SheetRow, csv_type: CsvType) -> dict[str, str]:
    """Headers of cells that only look up a machine name, to the header of the name that counts.

    Without a name it is the machine name that counts, and a failed formula there is an error.
    """
    pairs = [(link.column, link.machine_name_column or "") for link in csv_type.references]
    if csv_type.parent is not None:
        pairs.append((csv_type.parent.column, csv_type.parent.machine_name_column or ""))
    return {
        row.columns[looked_up]: row.columns[name]
        for name, looked_up in pairs
        if looked_up in row.columns
        and name in row.columns
        and row.text(name)
        and not is_spreadsheet_error(row.text(name))
    }


def _failed_lookup(row: SheetRow, header: str, text: str, *, named: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        rule="processing.failed_lookup",
        message=f"The lookup of the machine name failed and left {text.strip()}; the name under "
        f"“{named}” is used.",
        remedy=f"Correct “{named}” if another finding says that nothing has that name; else "
        "repair the formula.",
        file=row.file,
        row=row.row,
        column=header,
        value=text.strip(),
    )


def _odd_cells(row: SheetRow, record: Record, headers: Sequence[str]) -> Iterator[Finding]:
    text = "".join(record.cells)
    if "=" not in text and (text.isascii() or not INVISIBLE.search(text)):
        return
    for header, cell in zip(headers, record.cells, strict=False):
        if cell.startswith("=") and _FORMULA.match(cell):
            yield Finding(
                severity=Severity.ERROR,
                rule="processing.formula",
                message="The cell holds a formula in place of its value.",
                remedy="Let the spreadsheet program calculate it and save the sheet again, or "
                "type the value.",
                file=row.file,
                row=row.row,
                column=header,
                value=shorten(cell),
            )
        found = INVISIBLE.search(cell)
        if found is not None:
            yield Finding(
                severity=Severity.WARNING,
                rule="processing.invisible_character",
                message=f"The cell holds the invisible character U+{ord(found[0]):04X}; it is "
                "kept, and makes no difference where names are compared.",
                remedy="Type the cell again in the sheet, without what was pasted into it.",
                file=row.file,
                row=row.row,
                column=header,
                value=shorten(INVISIBLE.sub("\ufffd", cell)),
            )


def _machine_name_findings(row: SheetRow, csv_type: CsvType, machine_name: str) -> list[Finding]:
    if MACHINE_NAME.fullmatch(machine_name):
        return []
    rule = "processing.machine_name"
    suggestions: tuple[str, ...] = ()
    if machine_name == "-":
        rule = "processing.no_machine_name"
        message = f"“{_name_of(row, csv_type)}” is given no machine name."
        remedy = "Leave it if Drupal brings it along, as it does titles; else give it one."
    elif machine_name[0].isdigit():
        message = f"“{shorten(machine_name)}” begins with a digit; Drupal may refuse such a name."
        remedy = "Let it begin with a letter, or leave it if it is known to work."
    else:
        suggestions = _fit_names(machine_name)
        message = f"“{shorten(machine_name)}” is no name for machines; Drupal may refuse it."
        remedy = "Use lower case letters, digits and underscores, beginning with a letter"
        remedy += f": “{suggestions[0]}”." if suggestions else "."
    return [
        Finding(
            severity=Severity.WARNING,
            rule=rule,
            message=message,
            remedy=remedy,
            file=row.file,
            row=row.row,
            column=row.columns.get(csv_type.machine_name_column or ""),
            value=shorten(machine_name),
            suggestions=suggestions,
        )
    ]


def _fit_names(text: str) -> tuple[str, ...]:
    name = _UNFIT_FOR_NAME.sub("_", text.casefold()).strip("_")
    fits = len(name) <= _LONGEST_NAME and MACHINE_NAME.fullmatch(name)
    return (name,) if fits else ()


def _name_of(row: SheetRow, csv_type: CsvType) -> str:
    return shorten(row.text(csv_type.title_column) or f"row {row.row}")
