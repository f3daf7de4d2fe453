"""A whole specification, the real one and the sample: nothing missing, nothing extra, no change."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter

import pytest

from tests.plugins.processing.markdown_tables import shown_rows
from tests.plugins.processing.sheets import SITE, sheets, specification
from ticketgen.findings import Severity
from ticketgen.provides.component import Component, SheetRow
from ticketgen.sample import sample_files
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.rendering import render
from ticketgen_processing.writing import write_from_template

Place = tuple[str, int]
both = pytest.mark.parametrize("name", ["sample", "real"])


def independent_rows(files: dict[str, bytes]) -> dict[Place, dict[str, str]]:
    """Every row by file and number, read by nothing of ours, without blank and failed ones."""
    rows: dict[Place, dict[str, str]] = {}
    for name, data in files.items():
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        header, *records = list(csv.reader(io.StringIO(text)))
        for number, record in enumerate(records, start=2):
            cells = dict(zip(header, record, strict=True))
            judged = [
                text
                for column, text in cells.items()
                if text.strip() and column not in {"X", "Dev", "QA"}
            ]
            if any(not re.fullmatch(r"#[A-Z/]+[!?]?", text) for text in judged):
                rows[name, number] = cells
    return rows


def rows_of(component: Component) -> list[SheetRow]:
    own = [component.row] if component.row is not None else []
    return [*own, *(row for table in component.tables for row in table.rows)]


def at(row: SheetRow) -> Place:
    return row.file, row.row


def filled(cells: dict[str, str]) -> dict[str, str]:
    return {header: text for header, text in cells.items() if text.strip()}


@both
def test_every_row_that_says_something_is_on_exactly_one_ticket(name: str) -> None:
    files = specification(name)

    built = build_tickets(sheets(files), CSV_TYPES)

    places = Counter((row.file, row.row) for one in built.components for row in rows_of(one))
    assert set(places) == set(independent_rows(files))
    assert set(places.values()) == {1}


@both
def test_every_table_of_every_ticket_equals_its_rows_cell_by_cell(name: str) -> None:
    files = specification(name)
    expected = independent_rows(files)
    built = build_tickets(sheets(files), CSV_TYPES)
    compared = 0

    for one in built.components:
        seen = shown_rows(render(one, write_from_template(one, SITE)).description)
        wanted = {
            f"{table.heading} ({len(table.rows)})": [expected[at(row)] for row in table.rows]
            for table in one.tables
        }
        if one.row is not None:
            wanted["Configuration"] = [expected[at(one.row)]]
        assert {name: [filled(row) for row in rows] for name, rows in seen.items()} == {
            name: [filled(row) for row in rows] for name, rows in wanted.items()
        }, one.key
        compared += sum(len(filled(row)) for rows in seen.values() for row in rows)

    assert compared > 500


@both
def test_every_ticket_comes_after_the_tickets_it_depends_on(name: str) -> None:
    built = build_tickets(sheets(specification(name)), CSV_TYPES)

    positions = {one.key: one.position for one in built.components}

    assert list(positions.values()) == list(range(1, len(built.components) + 1))
    for one in built.components:
        for needed in one.depends_on:
            assert positions[needed.key] < one.position, (one.key, needed.key)


@both
def test_keys_are_unique_and_do_not_depend_on_the_order_of_the_files(name: str) -> None:
    files = specification(name)
    turned = dict(reversed(files.items()))

    first = build_tickets(sheets(files), CSV_TYPES)
    second = build_tickets(sheets(turned), CSV_TYPES)

    keys = [one.key for one in first.components]
    assert len(keys) == len(set(keys))
    assert {one.key: one.depends_on for one in first.components} == {
        one.key: one.depends_on for one in second.components
    }


@both
def test_every_finding_names_a_place_in_its_file_and_a_remedy(name: str) -> None:
    files = specification(name)

    built = build_tickets(sheets(files), CSV_TYPES)

    for finding in built.findings:
        assert finding.file in files, finding
        assert finding.row is not None, finding
        assert finding.rule.startswith("processing.")
        assert finding.remedy.endswith("."), finding
    assert any(finding.severity is Severity.ERROR for finding in built.findings)


def test_the_sample_holds_five_kinds_of_bundles_and_only_the_flaws_it_promises() -> None:
    built = build_tickets(sheets(sample_files()), CSV_TYPES)

    groups = {one.entity_group for one in built.components}
    flaws = [(finding.rule, finding.value) for finding in built.findings]

    assert groups >= {
        "Content types",
        "Vocabularies",
        "Media types",
        "Paragraph types",
        "Custom block types",
    }
    assert flaws == [
        ("processing.failed_lookup", "#N/A"),
        ("processing.reference", "House (Vocabulary)"),
    ]


def test_the_real_set_gives_the_tickets_a_reader_counts_in_its_sheets() -> None:
    built = build_tickets(sheets(specification("real")), CSV_TYPES)

    groups = Counter(one.entity_group for one in built.components)
    rules = Counter(finding.rule for finding in built.findings)

    assert len(built.components) == 280
    assert groups["Content types"] == 17
    assert groups["Paragraph types"] == 49
    assert groups["Views"] == 17  # sixteen defined, and Contact, which only its displays name
    assert rules["processing.error_row"] == 63
    errors = Counter(one.rule for one in built.findings if one.severity is Severity.ERROR)
    assert errors == {"processing.reference": 8, "processing.parent": 1}
    assert rules["processing.failed_lookup"] == 4
    assert rules["processing.no_machine_name"] == 27
    assert rules["processing.machine_name"] == 77
    assert rules["processing.cycle"] == 14
    assert rules["processing.missing_value"] == 3
    assert rules["processing.duplicate"] == 1
    assert not rules["processing.missing_column"]


def test_the_real_set_is_told_what_it_probably_meant() -> None:
    built = build_tickets(sheets(specification("real")), CSV_TYPES)

    meant = {
        one.value: one.suggestions[0]
        for one in built.findings
        if one.severity is Severity.ERROR or one.rule == "processing.duplicate"
    }

    assert meant == {
        "Program": "Academic Program",
        "Video": "Remote Video",
        "Contact": "Contact/Hours",
        "Story Categories (Vocabulary)": "News Categories (Vocabulary)",
        "Full non-crop Non-WebP": "Full (Non-Crop)",
        "Thumbnail Cropped Non-WebP": "Thumbnail cropped",
        "field_platforms": "Social Media Links (Paragraph type)",
    }


def test_the_real_set_lists_a_view_mode_on_the_media_types_it_is_used_on() -> None:
    built = build_tickets(sheets(specification("real")), CSV_TYPES)
    by_key = {one.key: one for one in built.components}

    lists = {one.heading: one.links for one in by_key["bundles:media-type:document"].lists}

    assert {link.key for link in lists["View modes"]} == {
        "view_modes:media-type:large-embed",
        "view_modes:media-type:medium-embed",
        "view_modes:media-type:small-embed",
    }
    assert [link.key for link in lists["Used by"]] == ["bundles:paragraph-type:links_files"]
    assert not by_key["bundles:content-type:page"].lists
