"""Bytes of every kind become a table or a refusal, and tables come back cell by cell."""

from __future__ import annotations

import csv
import io
from functools import cache
from typing import Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from tests.plugins.processing.workbooks import cell, packed, parts, sheet_xml
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.inspecting import inspect_file
from ticketgen_processing.intake.reading import read_table
from ticketgen_processing.intake.workbooks import open_workbook

HEAD = ["Name", "Machine name", "Type"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]

letters = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"])
texts = st.text(st.one_of(letters, st.sampled_from(",;|\t\"\n '#=")), max_size=12)
tables = st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5)
starts = st.sampled_from([b"", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"sep=;\n", b'Name,"'])


def _padded(rows: list[list[str]]) -> list[tuple[str, ...]]:
    """The rows as the reader gives them: blank ones left out, empty cells at the end too."""
    kept = []
    for row in rows:
        cells = list(row)
        while cells and not cells[-1]:
            cells.pop()
        if any(cell.strip() for cell in cells):
            kept.append(tuple(cells))
    return kept


@settings(max_examples=150, deadline=None)
@given(
    rows=tables,
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n"]),
    told=st.booleans(),
)
def test_a_table_comes_back_cell_by_cell_however_it_was_written(
    rows: list[list[str]],
    encoding: str,
    delimiter: str,
    quoting: Literal[0, 1],
    ending: str,
    told: bool,
) -> None:
    out = io.StringIO(newline="")
    out.write(f"sep={delimiter}{ending}" if told else "")
    csv.writer(
        out,
        delimiter=delimiter,
        quoting=quoting,
        lineterminator=ending,
    ).writerows([HEAD, *rows])

    table = read_table(out.getvalue().encode(encoding), CSV_TYPES)

    assert table.header.cells == tuple(HEAD)
    assert [one.cells for one in table.records] == _padded(rows)
    assert table.misquoted_line is None


@settings(max_examples=300, deadline=None)
@given(start=starts, rest=st.binary(max_size=400))
@example(start=b"", rest=b"\xff\xfe\x00\x00")
@example(start=b"", rest=b'"\n')
def test_any_bytes_are_a_table_or_a_refusal_that_says_what_to_do(start: bytes, rest: bytes) -> None:
    inspection = inspect_file("Bundles.csv", start + rest, {}, CSV_TYPES)

    assert inspection.sheets or inspection.findings
    for finding in inspection.findings:
        assert finding.message
        assert finding.remedy


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(st.one_of(st.none(), texts, st.booleans()), max_size=4), max_size=5))
def test_the_cells_of_a_workbook_come_back_in_their_rows(rows: list[list[object]]) -> None:
    written = [[None if value == "" else value for value in row] for row in rows]
    escaped = [
        [_as_text(value) if isinstance(value, str) else cell(value) for value in row]
        for row in written
    ]
    opened = open_workbook(packed(parts({"Sheet": sheet_xml(escaped)})))

    content, _ = opened.read(opened.sheets[0])

    read = list(csv.reader(io.StringIO(content.decode(), newline="")))
    wanted = [["" if value is None else _shown(value) for value in row] for row in written]
    assert _padded(read) == _padded([[_bare(one) for one in row] for row in wanted])
    assert [bool(row) for row in read] == [
        any(one.strip() for one in row) for row in wanted[: len(read)]
    ]


numbers = st.one_of(
    st.integers(-(10**9), 10**9), st.floats(-1e6, 1e6).map(lambda one: round(one, 3))
)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.one_of(texts.map(str.strip), st.booleans(), numbers), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_another_reader_of_workbooks_sees_the_same_cells(rows: list[list[object]]) -> None:
    cells = [
        [_as_text(value) if isinstance(value, str) else cell(value) for value in row]
        for row in rows
    ]
    data = packed(parts({"Sheet": sheet_xml(cells)}))
    opened = open_workbook(data)

    content, _ = opened.read(opened.sheets[0])

    read = list(csv.reader(io.StringIO(content.decode(), newline="")))
    other = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_index(0)
    seen = [[_as_we_show(value) for value in row] for row in other.to_python(skip_empty_area=False)]
    assert _padded(read) == _padded([[_bare(one) for one in row] for row in seen])


@cache
def _good_workbook() -> bytes:
    rows: list[list[object]] = [[*HEAD], ["Article", "article", "Content type"], ["News", "n", 3.5]]
    return packed(parts({"Bundles": sheet_xml(rows), "Notes": sheet_xml([["x"]])}))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_workbook_is_read_or_refused(data: st.DataObject) -> None:
    good = _good_workbook()
    at = data.draw(st.integers(0, len(good)))
    cut = data.draw(st.integers(0, 40))
    damaged = good[:at] + data.draw(st.binary(max_size=8)) + good[at + cut :]

    inspection = inspect_file("Spec.xlsx", damaged, {}, CSV_TYPES)

    assert inspection.sheets or any(one.remedy for one in inspection.findings)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_workbook_of_damaged_parts_is_read_or_refused(data: st.DataObject) -> None:
    made = parts({"Bundles": sheet_xml([HEAD, ["Article", "article", "#N/A"]])})
    name = data.draw(st.sampled_from(sorted(made)))
    part = str(made[name])
    at = data.draw(st.integers(0, len(part)))
    cut = data.draw(st.integers(0, 30))
    new = data.draw(st.text(st.sampled_from('<>/"&;=ABrstvc019 '), max_size=6))
    made[name] = part[:at] + new + part[at + cut :]

    inspection = inspect_file("Spec.xlsx", packed(made), {}, CSV_TYPES)

    assert inspection.sheets or any(one.remedy for one in inspection.findings)


def _as_text(value: str) -> str:
    return cell(f" {value}") if value.startswith(("#", "<c")) else cell(value)


def _as_we_show(value: object) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(value, ".15g").replace("e", "E")
    return _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    text = str(value)
    return f" {text}" if text.startswith(("#", "<c")) else text


def _bare(text: str) -> str:
    return "" if text.isspace() else text
