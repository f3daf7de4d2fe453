"""From records to rows: headers, ragged rows, spreadsheet errors, machine names."""

from __future__ import annotations

import pytest

from tests.plugins.processing.sheets import sheet
from ticketgen.findings import Severity
from ticketgen_processing.intake.parsing import is_spreadsheet_error, shorten


def test_cells_are_kept_exactly_and_read_by_the_name_of_their_column() -> None:
    parsed = sheet('NAME , machine-name,Notes\n Editor ,editor," a\nb "\n', "user_roles")

    row = parsed.rows[0]

    assert dict(row.cells) == {"NAME": " Editor ", "machine-name": "editor", "Notes": " a\nb "}
    assert row.text("Name") == "Editor"
    assert row.text("Machine name") == "editor"
    assert row.text("Description") == ""
    assert parsed.findings == ()


def test_short_rows_are_filled_up() -> None:
    parsed = sheet("Name,Machine name,Notes\nEditor\n", "user_roles")

    assert dict(parsed.rows[0].cells) == {"Name": "Editor", "Machine name": "", "Notes": ""}
    assert parsed.findings == ()


def test_cells_beyond_the_header_are_kept_and_reported_by_row() -> None:
    parsed = sheet("Name,Machine name\nEditor,editor,more,,most\n", "user_roles")

    assert parsed.rows[0].cells["Column 3"] == "more"
    assert parsed.rows[0].cells["Column 5"] == "most"
    assert [(one.rule, one.row, one.column, one.value) for one in parsed.findings] == [
        ("processing.extra_cell", 2, "Column 3", "more"),
    ]
    assert "2 cells beyond the last header" in parsed.findings[0].message


def test_a_header_twice_keeps_both_cells_and_uses_the_first() -> None:
    parsed = sheet("Name,Notes,Notes\nEditor,first,second\n", "user_roles")

    assert parsed.rows[0].text("Notes") == "first"
    assert dict(parsed.rows[0].cells) == {"Name": "Editor", "Notes": "first", "Notes (2)": "second"}
    assert [(one.rule, one.column) for one in parsed.findings] == [
        ("processing.duplicate_header", "Notes (2)")
    ]


def test_a_column_without_a_header_gets_one() -> None:
    parsed = sheet("Name,,Notes\nEditor,stray,x\n", "user_roles")

    assert parsed.rows[0].cells["Column 2"] == "stray"


def test_a_missing_required_column_is_an_error_and_the_rows_stay() -> None:
    parsed = sheet("Name,Machine name\nArticle,article\n", "bundles")

    assert [(one.severity, one.rule, one.row, one.column) for one in parsed.findings] == [
        (Severity.ERROR, "processing.missing_column", 1, "Type")
    ]
    assert parsed.rows[0].text("Name") == "Article"


@pytest.mark.parametrize("status", ["", "w", "x"])
def test_a_row_of_nothing_but_failed_formulas_is_reported_and_left_out(status: str) -> None:
    parsed = sheet(
        f"Name,Machine name,X,Notes\n,,{status},#VALUE!\nEditor,editor,,\n", "user_roles"
    )

    assert [row.row for row in parsed.rows] == [3]
    assert [(one.severity, one.rule, one.row, one.column) for one in parsed.findings] == [
        (Severity.WARNING, "processing.error_row", 2, "Notes")
    ]


def test_a_failed_formula_in_a_real_row_is_reported_and_the_row_stays() -> None:
    parsed = sheet("Name,Machine name,Notes\nEditor,#REF!,x\n", "user_roles")

    assert parsed.rows[0].cells["Machine name"] == "#REF!"
    finding = parsed.findings[0]
    assert (finding.severity, finding.rule) == (Severity.ERROR, "processing.spreadsheet_error")
    assert (finding.row, finding.column, finding.value) == (2, "Machine name", "#REF!")


@pytest.mark.parametrize("text", ["#N/A", "#VALUE!", "#REF!", "#NAME?", "#DIV/0!", " #NULL! "])
def test_what_spreadsheets_leave_behind_is_an_error_value(text: str) -> None:
    assert is_spreadsheet_error(text)


@pytest.mark.parametrize("text", ["", "#", "#fff", "#1", "# heading", "N/A", "see #N/A", "#NASA"])
def test_other_text_with_a_hash_is_no_error_value(text: str) -> None:
    assert not is_spreadsheet_error(text)


@pytest.mark.parametrize(
    ("name", "rule", "meant"),
    [
        ("42x42", "machine_name", ()),
        ("contact/hours", "machine_name", ("contact_hours",)),
        ("-", "no_machine_name", ()),
        ("Editorial Access", "machine_name", ("editorial_access",)),
        ("a-b", "machine_name", ("a_b",)),
        ("漢字", "machine_name", ()),
    ],
)
def test_a_machine_name_drupal_would_refuse_is_a_warning(
    name: str, rule: str, meant: tuple[str, ...]
) -> None:
    parsed = sheet(f"Name,Machine name\nEditor,{name}\n", "user_roles")

    assert [(one.severity, one.rule, one.value, one.suggestions) for one in parsed.findings] == [
        (Severity.WARNING, f"processing.{rule}", name, meant)
    ]


def test_a_failed_lookup_beside_a_name_is_a_warning_and_without_one_an_error() -> None:
    parsed = sheet(
        "View,Title,Display plugin,View ID\nStories,A,Block,#N/A\n,B,Block,#N/A\n", "view_displays"
    )

    assert [(one.severity, one.rule, one.row, one.column) for one in parsed.findings] == [
        (Severity.WARNING, "processing.failed_lookup", 2, "View ID"),
        (Severity.ERROR, "processing.spreadsheet_error", 3, "View ID"),
    ]
    assert "Correct “View”" in parsed.findings[0].remedy


def test_control_characters_and_bad_quoting_are_reported() -> None:
    parsed = sheet('Name,Notes\nEd\x08itor,"a" b\n', "user_roles")

    assert [one.rule for one in parsed.findings] == [
        "processing.quoting",
        "processing.control_character",
    ]
    assert parsed.findings[1].row == 2
    assert parsed.findings[1].column == "Name"


def test_a_long_value_is_cut_to_a_line() -> None:
    assert shorten("a\n b") == "a b"
    assert shorten("x" * 500) == "x" * 119 + "…"
