"""The sheets of a workbook as CSV: every cell as the person sees it, every row where it is."""

from __future__ import annotations

import csv
import io

import pytest

from tests.plugins.processing.workbooks import MAIN, cell, packed, parts, sheet_xml, workbook
from ticketgen.findings import Severity
from ticketgen.provides import Inspection
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.inspecting import inspect_file
from ticketgen_processing.intake.reading import UnreadableFileError, read_table
from ticketgen_processing.intake.workbooks import open_workbook

HEAD = ["Name", "Machine name", "Type"]
ARTICLE = ["Article", "article", "Content type"]


def rows_of(data: bytes, index: int = 0) -> list[list[str]]:
    opened = open_workbook(data)
    content, _ = opened.read(opened.sheets[index])
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def one_row(*cells: object) -> list[str]:
    return rows_of(workbook({"Sheet": [cells]}))[0]


def inspected(data: bytes, **chosen: str) -> Inspection:
    return inspect_file("Spec.xlsx", data, chosen, CSV_TYPES)


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [
        (3.0, 0, "3"),
        (-0.0, 0, "0"),
        (0.1 + 0.2, 0, "0.3"),
        (1e15, 0, "1E+15"),
        (123456789012345, 0, "123456789012345"),
        (2.5e-7, 0, "2.5E-07"),
        (46083, 1, "2026-03-02"),
        (46083.385416667, 2, "2026-03-02 09:15:00"),
        (0.385416667, 2, "09:15:00"),
        (59, 1, "1900-02-28"),
        (60, 1, "1900-02-29"),
        (61, 1, "1900-03-01"),
        (-5, 1, "-5"),
        (99_999_999, 1, "99999999"),
        (1.104166667, 3, "26:30:00"),
        (0.5, 4, "50%"),
        (46083, 5, "2026-03-02"),
        (2.5, 6, "2.5"),
    ],
)
def test_a_number_reads_as_the_spreadsheet_program_shows_it(
    value: float, style: int, text: str
) -> None:
    assert one_row(cell(value, style=style)) == [text]


def test_dates_of_old_macintosh_workbooks_begin_in_1904() -> None:
    made = parts({"Sheet": sheet_xml([[cell(0, style=1), cell(44621, style=1)]])})
    made["xl/workbook.xml"] = str(made["xl/workbook.xml"]).replace(
        "<sheets>", '<workbookPr date1904="1"/><sheets>'
    )

    assert rows_of(packed(made)) == [["1904-01-01", "2026-03-02"]]


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ('<c t="b"><v>0</v></c>', "FALSE"),
        ('<c t="e"><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c t="str"><f>A1</f><v>done</v></c>', "done"),
        ("<c><f>1+1</f></c>", "=1+1"),
        ('<c><f t="shared" si="0"/></c>', "=FORMULA()"),
        ('<c t="inlineStr"><is><r><t>a </t></r><r><t>b</t></r><rPh><t>x</t></rPh></is></c>', "a b"),
        ('<c t="inlineStr"><is><t>a_x000D__x000A_b</t></is></c>', "a\nb"),
        ('<c t="inlineStr"><is><t>a&#13;b</t></is></c>', "a\nb"),
        ('<c t="inlineStr"><is><t>a_x0000_b_xD83D__xDE00__xD800_</t></is></c>', "a\ufffdb😀\ufffd"),
        ('<c t="d"><v>2026-03-02</v></c>', "2026-03-02"),
        ("<c><v>not a number</v></c>", "not a number"),
        ("<c><v>INF</v></c>", "INF"),
    ],
)
def test_a_cell_reads_as_the_spreadsheet_program_shows_it(xml: str, text: str) -> None:
    assert one_row(xml) == [text]


def test_shared_texts_are_found_by_number_and_without_their_pronunciation() -> None:
    made = parts({"Sheet": sheet_xml([['<c t="s"><v>1</v></c>', '<c t="s"><v>0</v></c>']])})
    made["xl/sharedStrings.xml"] = (
        f'<x:sst xmlns:x="{MAIN}"><x:si><x:t>first</x:t></x:si>'
        "<x:si><x:r><x:t>se</x:t></x:r><x:r><x:t>cond</x:t></x:r><x:rPh><x:t>no</x:t></x:rPh></x:si>"
        "</x:sst>"
    )

    assert rows_of(packed(made)) == [["second", "first"]]


def test_rows_keep_their_numbers_so_that_a_finding_names_the_row_the_person_sees() -> None:
    sheet = sheet_xml({3: HEAD, 4: ARTICLE, 9: ["News", "#REF!", "Content type"]})

    inspection = inspected(packed(parts({"Bundles": sheet})))

    table = read_table(inspection.sheets[0].content, CSV_TYPES)
    assert (table.header.number, [one.number for one in table.records]) == (3, [4, 9])
    assert [(one.rule, one.row) for one in inspection.findings] == [
        ("processing.spreadsheet_error", 9)
    ]


def test_a_cell_over_several_rows_is_meant_for_each_of_them_and_that_is_said() -> None:
    sheet = sheet_xml(
        {1: HEAD, 2: ARTICLE, 3: ["News", "news"], 4: ["Page", "page"], 6: ["Event", "event"]},
        '<mergeCells><mergeCell ref="C2:C3"/><mergeCell ref="A1:B1"/><mergeCell ref="C9:C5"/>'
        "</mergeCells>",
    )

    inspection = inspected(packed(parts({"Bundles": sheet})))

    read = [one.cells for one in read_table(inspection.sheets[0].content, CSV_TYPES).records]
    assert read == [
        ("Article", "article", "Content type"),
        ("News", "news", "Content type"),
        ("Page", "page"),
        ("Event", "event"),
    ]
    assert [(one.rule, one.row, one.value) for one in inspection.findings] == [
        ("processing.merged_cells", 2, "C2:C3")
    ]


def test_each_sheet_of_a_known_type_is_a_file_of_its_own() -> None:
    data = workbook(
        {
            "ACME Bundles": [HEAD, ARTICLE],
            "Budget": [["Month", "Costs"]],
            "User roles": [["Name", "Machine name"], ["Editor", "editor"]],
        }
    )

    inspection = inspected(data)

    assert [(one.name, one.csv_type, one.row_count) for one in inspection.sheets] == [
        ("Spec.xlsx/ACME Bundles", "bundles", 1),
        ("Spec.xlsx/User roles", "user_roles", 1),
    ]
    assert {one.encoding for one in inspection.sheets} == {"xlsx"}
    assert [(one.rule, one.file) for one in inspection.findings] == [
        ("processing.sheet_left_out", "Spec.xlsx/Budget")
    ]


def test_of_a_workbook_with_one_sheet_that_cannot_be_read_nothing_is_taken() -> None:
    data = workbook({"Bundles": [HEAD, ARTICLE], "Fields": [["x" * 140_000]]})

    inspection = inspected(data)

    assert inspection.sheets == ()
    assert [(one.file, one.severity) for one in inspection.findings] == [
        ("Spec.xlsx/Fields", Severity.ERROR)
    ]


def test_a_sheet_of_no_type_that_cannot_be_read_costs_nothing() -> None:
    data = workbook({"Bundles": [HEAD, ARTICLE], "Pivot": [["x" * 140_000]]})

    inspection = inspected(data)

    assert len(inspection.sheets) == 1
    assert "131,072" in inspection.findings[0].message


def test_a_hidden_sheet_is_read_if_its_type_is_chosen() -> None:
    data = workbook({"Bundles": [HEAD, ARTICLE], "Old": [HEAD, ARTICLE]}, Old="veryHidden")

    left_out = inspected(data)
    chosen = inspected(data, **{"Spec.xlsx/Old": "bundles"})

    assert [one.name for one in left_out.sheets] == ["Spec.xlsx/Bundles"]
    assert [(one.name, one.detected_by, one.confidence) for one in chosen.sheets] == [
        ("Spec.xlsx/Bundles", "file name and header", 0.84),
        ("Spec.xlsx/Old", "chosen", 1.0),
    ]


def test_names_of_sheets_are_fit_for_a_file_and_never_the_same() -> None:
    names = ["a/b", "a\\b", "..", "", "x\ny", "A_B", "‮evil", "y" * 300]

    opened = open_workbook(workbook({name: [["x"]] for name in names}))

    found = [sheet.name for sheet in opened.sheets]
    assert found == ["a_b", "a_b (2)", "Sheet 3", "Sheet 4", "x_y", "A_B (3)", "_evil", "y" * 31]


def test_a_text_that_a_million_cells_repeat_is_measured_as_often_as_it_stands() -> None:
    made = parts({"Bundles": sheet_xml([['<c t="s"><v>0</v></c>'] * 400] * 10)})
    made["xl/sharedStrings.xml"] = f"<sst><si><t>{'x' * 100_000}</t></si></sst>"

    with pytest.raises(UnreadableFileError, match="more text than can be read"):
        rows_of(packed(made))


def test_macro_workbooks_are_read_like_others_and_charts_are_no_sheets() -> None:
    made = parts({"Bundles": sheet_xml([HEAD, ARTICLE]), "Chart": "<chartsheet/>"})
    made["xl/vbaProject.bin"] = b"anything"
    rels = str(made["xl/_rels/workbook.xml.rels"])
    made["xl/_rels/workbook.xml.rels"] = rels.replace(
        'worksheet" Target="worksheets/s2.xml', 'chartsheet" Target="worksheets/s2.xml'
    )

    inspection = inspect_file("Spec.xlsm", packed(made), {}, CSV_TYPES)

    assert [one.name for one in inspection.sheets] == ["Spec.xlsm/Bundles"]
    assert "chart" in inspection.findings[0].message
