"""The rows of a sheet under the columns of its type, with every problem at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType, SheetRow
from ticketgen_processing.naming import MACHINE_NAME, header_name
from ticketgen_processing.reading import Record, Table

__all__ = ["Sheet", "is_spreadsheet_error", "parse_sheet", "shorten"]

_SPREADSHEET_ERROR = re.compile(r"#(N/A|NV|GETTING_DATA|DIV/0!|[A-Z][A-Z0-9_]*[!?])")
_LONGEST_VALUE = 120


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
    headers = _headers(table.header, table.records, width)
    columns = _columns(headers, csv_type)
    findings = [*_header_findings(file, table, headers, csv_type, columns)]
    rows: list[SheetRow] = []
    for record in table.records:
        cells = dict.fromkeys(headers, "")
        cells |= {
            headers[index]: cell
            for index, cell in enumerate(record.cells)
            if headers[index] in cells
        }
        row = SheetRow(file=file, row=record.number, cells=cells, columns=columns)
        if _holds_only_errors(row, csv_type):
            findings.append(_only_errors(row))
            continue
        findings += _record_findings(file, table.header, record, headers)
        findings += _cell_findings(row, csv_type)
        rows.append(row)
    return Sheet(file=file, csv_type=csv_type.name, rows=tuple(rows), findings=tuple(findings))


def is_spreadsheet_error(text: str) -> bool:
    """Whether a cell holds what a failed formula leaves behind: `#N/A`, `#VALUE!`, `#REF!`."""
    return _SPREADSHEET_ERROR.fullmatch(text.strip()) is not None


def shorten(text: str) -> str:
    """A value fit for a message: one line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"


def _headers(header: Record, records: Sequence[Record], width: int) -> tuple[str, ...]:
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


def _header_findings(
    file: str,
    table: Table,
    headers: Sequence[str],
    csv_type: CsvType,
    columns: Mapping[str, str],
) -> list[Finding]:
    findings = [
        Finding(
            severity=Severity.ERROR,
            rule="processing.missing_column",
            message=f"The {csv_type.label.lower()} sheet has no column “{column.name}”.",
            remedy=f"Add the column “{column.name}”, or choose another type for this file.",
            file=file,
            row=table.header.number,
            column=column.name,
        )
        for column in csv_type.columns
        if column.required and column.name not in columns
    ]
    seen: set[str] = set()
    for header, cell in zip(headers, table.header.cells, strict=False):
        name = header_name(cell)
        if name and name in seen:
            findings.append(
                Finding(
                    severity=Severity.WARNING,
                    rule="processing.duplicate_header",
                    message=f"The header “{shorten(cell)}” stands above more than one column.",
                    remedy="Rename or delete the second column; the first one is used.",
                    file=file,
                    row=table.header.number,
                    column=header,
                    value=shorten(cell),
                )
            )
        seen.add(name)
    if table.misquoted_line is not None:
        findings.append(
            Finding(
                severity=Severity.WARNING,
                rule="processing.quoting",
                message=f"Near line {table.misquoted_line}, text follows a closing quotation mark.",
                remedy="Compare the ticket with the sheet there, or export the sheet again.",
                file=file,
            )
        )
    return findings


def _holds_only_errors(row: SheetRow, csv_type: CsvType) -> bool:
    status = {row.columns.get(column, column) for column in csv_type.status_columns}
    judged = [text for header, text in row.filled.items() if header not in status]
    return bool(judged) and all(map(is_spreadsheet_error, judged))


def _only_errors(row: SheetRow) -> Finding:
    header, text = next(
        (header, text) for header, text in row.filled.items() if is_spreadsheet_error(text)
    )
    return Finding(
        severity=Severity.WARNING,
        rule="processing.error_row",
        message=f"The row holds only the spreadsheet error {text.strip()}; it got no ticket.",
        remedy="Delete the row, or repair its formula if it was meant to hold something.",
        file=row.file,
        row=row.row,
        column=header,
        value=text.strip(),
    )


def _record_findings(
    file: str, header: Record, record: Record, headers: Sequence[str]
) -> list[Finding]:
    findings = [
        Finding(
            severity=Severity.WARNING,
            rule="processing.extra_cell",
            message="The row has a cell beyond the last header; it is kept under a header of ours.",
            remedy="Give the column a header, or quote the cell whose comma splits the row.",
            file=file,
            row=record.number,
            column=headers[index],
            value=shorten(record.cells[index]),
        )
        for index in range(len(header.cells), len(record.cells))
        if record.cells[index].strip()
    ]
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


def _cell_findings(row: SheetRow, csv_type: CsvType) -> list[Finding]:
    findings = [
        Finding(
            severity=Severity.ERROR,
            rule="processing.spreadsheet_error",
            message=f"The formula of this cell failed and left {text.strip()}.",
            remedy="Repair the formula, or replace the cell by the value that is meant.",
            file=row.file,
            row=row.row,
            column=header,
            value=text.strip(),
        )
        for header, text in row.filled.items()
        if is_spreadsheet_error(text)
    ]
    machine_name = row.text(csv_type.machine_name_column) if csv_type.machine_name_column else ""
    if machine_name and not is_spreadsheet_error(machine_name):
        findings += _machine_name_findings(row, csv_type, machine_name)
    return findings


def _machine_name_findings(row: SheetRow, csv_type: CsvType, machine_name: str) -> list[Finding]:
    if MACHINE_NAME.fullmatch(machine_name):
        return []
    none_given = machine_name == "-"
    return [
        Finding(
            severity=Severity.WARNING,
            rule="processing.machine_name",
            message="No machine name is given."
            if none_given
            else f"“{shorten(machine_name)}” is unusual for a machine name; Drupal may refuse it.",
            remedy="Leave it if Drupal brings the component along; else give it a machine name."
            if none_given
            else "Use lower case letters, digits and underscores, beginning with a letter.",
            file=row.file,
            row=row.row,
            column=row.columns.get(csv_type.machine_name_column or ""),
            value=shorten(machine_name),
        )
    ]
