"""What an uploaded file is: its sheets, their types, and what is wrong; or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ticketgen import Contributions, Finding, Severity
from ticketgen.provides import CsvType, InspectedSheet, Inspection, UploadInspector
from ticketgen_processing.intake.decoding import UnreadableFileError
from ticketgen_processing.intake.detecting import LEAST_SURE, Detection, detect
from ticketgen_processing.intake.parsing import parse_sheet
from ticketgen_processing.intake.reading import read_table
from ticketgen_processing.intake.remarks import shorten
from ticketgen_processing.intake.workbooks import (
    WORKBOOK_ENDINGS,
    Workbook,
    WorkbookSheet,
    is_workbook,
    open_workbook,
)

__all__ = ["CSV_INSPECTOR", "inspect_file"]

_MOST_NAMED = 20
_IF_NONE = "Nothing, if it is no specification sheet; else choose its type."


def inspect_file(
    file_name: str, content: bytes, chosen: Mapping[str, str], types: Sequence[CsvType]
) -> Inspection:
    """The sheets of a file, each of the type that is detected or given, and every finding in them.

    `chosen` has the types by the name of the sheet, or of the whole file. Without a sheet in the
    answer the file is refused, and the errors among its findings say why.
    """
    known = {item.name: item for item in types}
    unknown = [name for name in chosen.values() if name not in known]
    if unknown:
        return _refused(
            file_name,
            "unknown_type",
            f"There is no type of sheet called {shorten(unknown[0])!r}.",
            f"Choose one of: {', '.join(sorted(known))}.",
        )
    if is_workbook(content):
        return _inspect_workbook(file_name, content, chosen, known)
    return _inspect_sheet(file_name, content, known.get(chosen.get(file_name, "")), known)


def _inspect_sheet(
    name: str, content: bytes, chosen: CsvType | None, known: Mapping[str, CsvType]
) -> Inspection:
    types = tuple(known.values())
    try:
        table = read_table(content, types)
    except UnreadableFileError as error:
        return _refused(name, "unreadable_file", error.message, error.remedy)
    detected = (
        Detection(csv_type=chosen, confidence=1.0, by="chosen")
        if chosen is not None
        else detect(name, table.header.cells, types)
    )
    if detected.csv_type is None:
        return _refused(
            name,
            "unknown_type",
            "The type of the sheet cannot be told from the file's name or header.",
            "Name the file after its type, such as Bundles.csv, or choose the type; known are: "
            f"{', '.join(sorted(known))}.",
        )
    found = InspectedSheet(
        name=name,
        csv_type=detected.csv_type.name,
        row_count=len(table.records),
        content=content,
        confidence=detected.confidence,
        detected_by=detected.by,
        encoding=table.encoding.name,
    )
    unsure = _unsure(name, detected, table.header.number)
    findings = parse_sheet(name, table, detected.csv_type).findings
    return Inspection(sheets=(found,), findings=(*unsure, *findings))


def _inspect_workbook(
    file_name: str, content: bytes, chosen: Mapping[str, str], known: Mapping[str, CsvType]
) -> Inspection:
    """Every sheet of a known type; if one of those cannot be read, none."""
    try:
        workbook = open_workbook(content)
    except UnreadableFileError as error:
        return _refused(file_name, "unreadable_file", error.message, error.remedy)
    sheets: list[InspectedSheet] = []
    findings: list[Finding] = []
    broken = False
    for sheet in workbook.sheets:
        name = f"{file_name}/{sheet.name}"
        wanted = known.get(chosen.get(name, chosen.get(file_name, "")))
        inspection = _inspect_one(workbook, sheet, name, wanted, known)
        sheets += inspection.sheets
        findings += inspection.findings
        broken = broken or _is_broken(inspection)
    if broken:
        return Inspection(sheets=(), findings=tuple(findings))
    if not sheets:
        return Inspection(sheets=(), findings=(_no_sheets(file_name, known), *findings))
    return Inspection(sheets=tuple(sheets), findings=tuple(findings))


def _inspect_one(
    workbook: Workbook,
    sheet: WorkbookSheet,
    name: str,
    chosen: CsvType | None,
    known: Mapping[str, CsvType],
) -> Inspection:
    """One sheet of a workbook: its own CSV, or why it is left out or cannot be read."""
    if sheet.part is None:
        return _left_out(name, "it has no cells, but a chart, a dialog or macros")
    if sheet.hidden and chosen is None:
        return _left_out(name, "it is hidden", "Show it, if it belongs to the specification.")
    try:
        content, merged = workbook.read(sheet)
    except UnreadableFileError as error:
        if chosen is None and detect(name, (), tuple(known.values())).csv_type is None:
            return _left_out(name, f"it is of no known type and cannot be read: {error.message}")
        return _refused(name, "unreadable_file", error.message, error.remedy)
    if not content.strip():
        return _left_out(name, "it is empty", "Fill it in, or delete it.")
    inspection = _inspect_sheet(name, content, chosen, known)
    if not inspection.sheets and inspection.findings[0].rule == "processing.unknown_type":
        return _left_out(name, "its name and its header are those of no known type")
    return Inspection(
        sheets=tuple(replace(one, encoding="xlsx") for one in inspection.sheets),
        findings=(*_merged(name, merged), *inspection.findings),
    )


def _is_broken(inspection: Inspection) -> bool:
    return not inspection.sheets and any(
        finding.severity is Severity.ERROR for finding in inspection.findings
    )


def _unsure(name: str, detected: Detection, row: int) -> tuple[Finding, ...]:
    found = detected.csv_type
    if found is None or detected.by == "chosen" or detected.confidence >= LEAST_SURE:
        return ()
    told = f"“{found.name}” by its {detected.by} only"
    if detected.otherwise is not None:
        told = f"“{found.name}” by its header, but “{detected.otherwise.name}” by its name"
    return (
        Finding(
            severity=Severity.WARNING,
            rule="processing.type_unsure",
            message=f"The type of the sheet is not sure: it is {told}.",
            remedy="Look whether it is right; if not, choose the type of this file.",
            file=name,
            row=row,
            value=found.name,
        ),
    )


def _merged(name: str, ranges: Sequence[str]) -> tuple[Finding, ...]:
    if not ranges:
        return ()
    return (
        Finding(
            severity=Severity.WARNING,
            rule="processing.merged_cells",
            message=f"The text of merged cells was given to each of their rows: {_listed(ranges)}.",
            remedy="Nothing, if it is meant for all of these rows; else split the cells.",
            file=name,
            row=int(ranges[0].partition(":")[0].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
            value=ranges[0],
        ),
    )


def _left_out(
    name: str,
    why: str,
    remedy: str = "Nothing, if it is no specification sheet; else choose its type.",
) -> Inspection:
    finding = Finding(
        severity=Severity.WARNING,
        rule="processing.sheet_left_out",
        message=f"The sheet was left out: {why.removesuffix('.')}.",
        remedy=remedy,
        file=name,
    )
    return Inspection(sheets=(), findings=(finding,))


def _no_sheets(file_name: str, known: Iterable[str]) -> Finding:
    return _error(
        file_name,
        "unknown_type",
        "The workbook has no sheet of a known type.",
        "Name the sheets after their types, such as Bundles, or choose the types; known are: "
        f"{', '.join(sorted(known))}.",
    )


def _refused(file_name: str, rule: str, message: str, remedy: str) -> Inspection:
    return Inspection(sheets=(), findings=(_error(file_name, rule, message, remedy),))


def _error(file_name: str, rule: str, message: str, remedy: str) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        rule=f"processing.{rule}",
        message=message,
        remedy=remedy,
        file=file_name,
    )


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _inspect(
    file_name: str, content: bytes, chosen: Mapping[str, str], contributions: Contributions
) -> Inspection:
    return inspect_file(file_name, content, chosen, contributions.provided(CsvType))


CSV_INSPECTOR = UploadInspector(name="csv", inspect=_inspect, workbook_endings=WORKBOOK_ENDINGS)
