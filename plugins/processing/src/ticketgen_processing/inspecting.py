"""What an uploaded file is: its type and what is worth a look in it, or why it is refused."""

from __future__ import annotations

from collections.abc import Sequence

from ticketgen import Contributions, Finding, Severity
from ticketgen.provides import CsvType, Inspection, UploadInspector
from ticketgen_processing.detecting import detect
from ticketgen_processing.parsing import parse_sheet
from ticketgen_processing.reading import UnreadableFileError, read_table

__all__ = ["CSV_INSPECTOR", "inspect_file"]


def inspect_file(
    file_name: str, content: bytes, csv_type: str | None, types: Sequence[CsvType]
) -> Inspection:
    """The type of a CSV file, detected unless it is given, and every finding in it.

    Without a type in the answer the file is refused, and its one finding says why.
    """
    try:
        table = read_table(content, types)
    except UnreadableFileError as error:
        return _refused(file_name, "unreadable_file", error.message, error.remedy)
    known = {item.name: item for item in types}
    if csv_type is not None and csv_type not in known:
        return _refused(
            file_name,
            "unknown_type",
            f"There is no type of sheet called {csv_type!r}.",
            f"Choose one of: {', '.join(sorted(known))}.",
        )
    found = known[csv_type] if csv_type else detect(file_name, table.header.cells, types).csv_type
    if found is None:
        return _refused(
            file_name,
            "unknown_type",
            "The type of the sheet cannot be told from the file's name or header.",
            "Name the file after its type, such as Bundles.csv, or choose the type; known are: "
            f"{', '.join(sorted(known))}.",
        )
    sheet = parse_sheet(file_name, table, found)
    return Inspection(csv_type=found.name, row_count=len(table.records), findings=sheet.findings)


def _refused(file_name: str, rule: str, message: str, remedy: str) -> Inspection:
    finding = Finding(
        severity=Severity.ERROR,
        rule=f"processing.{rule}",
        message=message,
        remedy=remedy,
        file=file_name,
    )
    return Inspection(csv_type=None, row_count=0, findings=(finding,))


def _inspect(
    file_name: str, content: bytes, csv_type: str | None, contributions: Contributions
) -> Inspection:
    return inspect_file(file_name, content, csv_type, contributions.provided(CsvType))


CSV_INSPECTOR = UploadInspector(name="csv", inspect=_inspect)
