"""What an uploaded file is: its type and what is worth a look in it, or why it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ticketgen import Contributions, Finding, Severity
from ticketgen.provides import CsvType, InspectedSheet, Inspection, UploadInspector
from ticketgen_processing.detecting import Detection, detect
from ticketgen_processing.parsing import parse_sheet
from ticketgen_processing.reading import UnreadableFileError, read_table

__all__ = ["CSV_INSPECTOR", "inspect_file"]


def inspect_file(
    file_name: str, content: bytes, chosen: Mapping[str, str], types: Sequence[CsvType]
) -> Inspection:
    """The type of a CSV file, detected unless it is given, and every finding in it.

    Without a type in the answer the file is refused, and its one finding says why.
    """
    try:
        table = read_table(content, types)
    except UnreadableFileError as error:
        return _refused(file_name, "unreadable_file", error.message, error.remedy)
    known = {item.name: item for item in types}
    csv_type = chosen.get(file_name)
    if csv_type is not None and csv_type not in known:
        return _refused(
            file_name,
            "unknown_type",
            f"There is no type of sheet called {csv_type!r}.",
            f"Choose one of: {', '.join(sorted(known))}.",
        )
    detected = (
        Detection(csv_type=known[csv_type], confidence=1.0, by="chosen")
        if csv_type
        else detect(file_name, table.header.cells, types)
    )
    found = detected.csv_type
    if found is None:
        return _refused(
            file_name,
            "unknown_type",
            "The type of the sheet cannot be told from the file's name or header.",
            "Name the file after its type, such as Bundles.csv, or choose the type; known are: "
            f"{', '.join(sorted(known))}.",
        )
    sheet = parse_sheet(file_name, table, found)
    return Inspection(
        sheets=(
            InspectedSheet(
                name=file_name,
                csv_type=found.name,
                row_count=len(table.records),
                content=content,
                confidence=detected.confidence,
                detected_by=detected.by,
                encoding="",
            ),
        ),
        findings=sheet.findings,
    )


def _refused(file_name: str, rule: str, message: str, remedy: str) -> Inspection:
    finding = Finding(
        severity=Severity.ERROR,
        rule=f"processing.{rule}",
        message=message,
        remedy=remedy,
        file=file_name,
    )
    return Inspection(sheets=(), findings=(finding,))


def _inspect(
    file_name: str, content: bytes, chosen: Mapping[str, str], contributions: Contributions
) -> Inspection:
    return inspect_file(file_name, content, chosen, contributions.provided(CsvType))


CSV_INSPECTOR = UploadInspector(name="csv", inspect=_inspect)
