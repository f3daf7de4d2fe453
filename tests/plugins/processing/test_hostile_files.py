"""Whatever is uploaded becomes tickets or a clear refusal, never a crash or a broken table."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.processing.markdown_tables import shown_rows
from tests.plugins.processing.sheets import SITE
from ticketgen.provides.csv_type import CsvType
from ticketgen.sample import sample_files
from ticketgen_processing.building.components import Built, build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.detecting import detect
from ticketgen_processing.intake.parsing import parse_sheet
from ticketgen_processing.intake.reading import UnreadableFileError, read_table
from ticketgen_processing.rendering import render
from ticketgen_processing.writing import write_from_template

HEADERS = {
    csv_type.name: ",".join(column.name for column in csv_type.columns) for csv_type in CSV_TYPES
}
cells = st.sampled_from(
    ["", "", "a", "b", "a (b)", "A", "-", "#N/A", "Content type", "a, b", "x\ny", "All", "| `"]
)


def built_from(files: Sequence[tuple[bytes, CsvType | None]]) -> Built:
    sheets = []
    for number, (data, csv_type) in enumerate(files):
        table = read_table(data, CSV_TYPES)
        name = f"{number}.csv"
        found = csv_type or detect(name, table.header.cells, CSV_TYPES).csv_type
        sheets.append(parse_sheet(name, table, found or CSV_TYPES[0]))
    return build_tickets(sheets, CSV_TYPES)


def check(built: Built) -> None:
    keys = [one.key for one in built.components]
    assert len(keys) == len(set(keys))
    for one in built.components:
        ticket = render(one, write_from_template(one, SITE))
        found = shown_rows(ticket.description)
        assert "\n" not in ticket.title
        if one.row is not None:
            assert found["Configuration"] == [one.row.filled]
        for table in one.tables:
            assert len(found[f"{table.heading} ({len(table.rows)})"]) == len(table.rows)


@settings(deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_become_tickets_or_a_clear_refusal(data: bytes) -> None:
    try:
        built = built_from([(data, None)])
    except UnreadableFileError:
        return

    check(built)


@pytest.mark.parametrize("csv_type", CSV_TYPES, ids=lambda one: one.name)
@settings(max_examples=10, deadline=None)
@given(rows=st.lists(st.lists(cells, min_size=1, max_size=20), max_size=6))
def test_any_rows_of_any_type_become_tickets(csv_type: CsvType, rows: list[list[str]]) -> None:
    lines = [",".join(f'"{cell}"' for cell in row) for row in rows]
    data = "\n".join([HEADERS[csv_type.name], *lines]).encode()

    built = built_from([(data, csv_type)])

    check(built)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_a_damaged_specification_becomes_tickets_or_a_clear_refusal(data: st.DataObject) -> None:
    files = list(sample_files().values())
    index = data.draw(st.integers(0, len(files) - 1))
    start = data.draw(st.integers(0, len(files[index])))
    length = data.draw(st.integers(0, 200))
    files[index] = (
        files[index][:start] + data.draw(st.binary(max_size=5)) + files[index][start + length :]
    )

    try:
        built = built_from([(content, None) for content in files])
    except UnreadableFileError:
        return

    check(built)


def test_no_sheets_are_no_tickets() -> None:
    assert build_tickets([], CSV_TYPES) == Built(components=(), findings=())


def test_millions_of_blank_lines_are_refused_early() -> None:
    content = b"Name,Machine name,Type\n" + b"\n" * 300_000

    with pytest.raises(UnreadableFileError, match="200,000 lines"):
        read_table(content, CSV_TYPES)
