"""What is worth a look in a sheet as a whole: its header, its encoding, its quotation marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ticketgen import Finding, Severity
from ticketgen.provides import CsvType
from ticketgen_processing.intake.reading import Table
from ticketgen_processing.naming import header_name

__all__ = ["header_findings", "shorten"]

_LONGEST_VALUE = 120


def shorten(text: str) -> str:
    """A value fit for a message: one line of at most 120 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_VALUE else line[: _LONGEST_VALUE - 1] + "…"


def header_findings(
    file: str,
    table: Table,
    headers: Sequence[str],
    csv_type: CsvType,
    columns: Mapping[str, str],
) -> Iterator[Finding]:
    """What is missing from a sheet or twice in it, and what the reader had to guess."""
    yield from _missing_columns(file, table, csv_type, columns)
    yield from _doubled_headers(file, table, headers)
    yield from _reading(file, table)
    if not table.records:
        yield Finding(
            severity=Severity.WARNING,
            rule="processing.no_rows",
            message=f"The {csv_type.label.lower()} sheet has a header and no row below it.",
            remedy="Add its rows, or remove the file.",
            file=file,
            row=table.header.number,
        )


def _missing_columns(
    file: str, table: Table, csv_type: CsvType, columns: Mapping[str, str]
) -> Iterator[Finding]:
    for column in csv_type.columns:
        if column.required and column.name not in columns:
            yield Finding(
                severity=Severity.ERROR,
                rule="processing.missing_column",
                message=f"The {csv_type.label.lower()} sheet has no column “{column.name}”.",
                remedy=f"Add the column “{column.name}”, or choose another type for this file.",
                file=file,
                row=table.header.number,
                column=column.name,
            )


def _doubled_headers(file: str, table: Table, headers: Sequence[str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for header, cell in zip(headers, table.header.cells, strict=False):
        name = header_name(cell)
        if name and name in seen:
            yield Finding(
                severity=Severity.WARNING,
                rule="processing.duplicate_header",
                message=f"The header “{shorten(cell)}” stands above more than one column.",
                remedy="Rename or delete the second column; the first one is used.",
                file=file,
                row=table.header.number,
                column=header,
                value=shorten(cell),
            )
        seen.add(name)


def _reading(file: str, table: Table) -> Iterator[Finding]:
    if table.misquoted_line is not None:
        yield Finding(
            severity=Severity.WARNING,
            rule="processing.quoting",
            message=f"Near line {table.misquoted_line}, text follows a closing quotation mark.",
            remedy="Compare the ticket with the sheet there, or export the sheet again.",
            file=file,
        )
    if table.encoding.guessed:
        yield Finding(
            severity=Severity.WARNING,
            rule="processing.encoding",
            message=f"The file does not say its encoding; it was read as {table.encoding.name}, "
            f"in which its first special word is “{shorten(table.encoding.word)}”.",
            remedy="Nothing, if that word is right; else save the sheet as CSV in UTF-8.",
            file=file,
            value=shorten(table.encoding.word),
        )
    for record in table.above:
        yield Finding(
            severity=Severity.WARNING,
            rule="processing.above_header",
            message="The row stands above the header and was left out.",
            remedy="Nothing, if it is a title; else move it below the header.",
            file=file,
            row=record.number,
            value=shorten(" ".join(filter(str.strip, record.cells))),
        )
