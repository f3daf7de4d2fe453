"""Describes the types of sheets that are known, from their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ticketgen.provides import Column, CsvType, Reference

__all__ = ["sheets_page"]

_LEAD = """The types of sheets the plugins of this repository know. Case, spaces and punctuation of
a header never matter, and neither does the order of the columns. A sheet is recognised by the
ending of its name, whatever stands before it, and by its header. A column that is required and
missing is an error; a sheet may have columns of its own, which are copied to the ticket. A plugin
adds a type by [providing](provides.md#csvtype) one."""

_SEVERAL = ", several if separated by commas, semicolons or line breaks"


def sheets_page(types: Sequence[CsvType]) -> tuple[str, str, list[str]]:
    """Title, lead and parts of the page: one part for each type, in building order."""
    names = {csv_type.name: csv_type for csv_type in types}
    return "Sheets", _LEAD, [_part(csv_type, names) for csv_type in types]


def _part(csv_type: CsvType, names: dict[str, CsvType]) -> str:
    return "\n\n".join([f"## {csv_type.name}", *_sentences(csv_type, names), _columns(csv_type)])


def _sentences(csv_type: CsvType, names: dict[str, CsvType]) -> Iterator[str]:
    endings = ", ".join(f"`{ending}`" for ending in csv_type.file_stems)
    yield f"Files and sheets whose name ends in {endings}."
    if csv_type.parent is not None:
        parent = names[csv_type.parent.csv_type]
        yield (
            f"Each row is a line of the table “{csv_type.parent.heading}” on the ticket of the "
            f"{parent.label.lower()} that its column “{csv_type.parent.column}” names."
        )
    else:
        yield f"Each row is a ticket, in the group {_group(csv_type)}."
    if csv_type.kinds:
        kinds = ", ".join(
            kind.value + (f" ({', '.join(kind.aliases)})" if kind.aliases else "")
            for kind in csv_type.kinds
        )
        yield f"Known kinds in “{csv_type.qualifier_column}”: {kinds}."
    if csv_type.references:
        yield "\n".join(f"* {_reference(reference)}" for reference in csv_type.references)


def _group(csv_type: CsvType) -> str:
    if csv_type.kinds:
        return "of its kind"
    if csv_type.group_column is not None:
        return f"that “{csv_type.group_column}” names, or “{csv_type.entity_group}”"
    return f"“{csv_type.entity_group}”"


def _reference(reference: Reference) -> str:
    targets = " or ".join(f"[{name}](#{name})" for name in reference.targets)
    several = (
        ", several if separated by commas, semicolons or line breaks" if reference.several else ""
    )
    return f"“{reference.column}” names a row of {targets}{several}."


def _columns(csv_type: CsvType) -> str:
    lines = ["| Column | Required | Other headers |", "| --- | --- | --- |"]
    lines += [_line(column) for column in csv_type.columns]
    return "\n".join(lines)


def _line(column: Column) -> str:
    return f"| {column.name} | {'yes' if column.required else ''} | {', '.join(column.aliases)} |"
