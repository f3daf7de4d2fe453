"""The type of a sheet from its file name and header."""

from __future__ import annotations

import time

import pytest

from tests.plugins.processing.sheets import specification
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.detecting import LEAST_SURE, detect
from ticketgen_processing.intake.reading import read_table

EXPECTED = {
    "Bundles": "bundles",
    "CustomViewModes": "view_modes",
    "CustomViews": "views",
    "CustomViewsDisplays": "view_displays",
    "Fields": "fields",
    "Imagestyles": "image_styles",
    "ResponsiveImageStyles": "responsive_image_styles",
    "Userroles": "user_roles",
    "Workflows": "workflows",
    "Workflowstates": "workflow_states",
    "Workflowtransitions": "workflow_transitions",
}


def found(file_name: str, header: str) -> str | None:
    detection = detect(file_name, header.split(","), CSV_TYPES)
    return detection.csv_type.name if detection.csv_type is not None else None


@pytest.mark.parametrize("name", ["sample", "real"])
def test_every_file_of_a_specification_is_known_by_name_and_by_header_alone(name: str) -> None:
    files = specification(name)

    for file, data in files.items():
        header = read_table(data, CSV_TYPES).header.cells
        wanted = EXPECTED[file.split("_")[1].removesuffix(".csv")]
        by_both = detect(file, header, CSV_TYPES)
        by_header = detect("export.csv", header, CSV_TYPES)
        assert by_both.csv_type is not None
        assert (by_both.csv_type.name, by_both.by) == (wanted, "file name and header")
        assert by_both.confidence >= 0.9
        assert by_header.csv_type is not None
        assert (by_header.csv_type.name, by_header.by) == (wanted, "header")


@pytest.mark.parametrize(
    "file_name",
    [
        "acme-workflow-states.csv",
        "ACME_WORKFLOWSTATES.CSV",
        "Spec 2026 - Workflow states (2).csv",
        "workflow_states_v3.csv",
        "Workflow states copy.tsv",
        "C:\\sheets\\Workflowstates.csv",
    ],
)
def test_prefix_case_and_copy_marks_of_a_file_name_do_not_matter(file_name: str) -> None:
    assert found(file_name, "Workflow,Label,Machine name") == "workflow_states"


def test_the_name_decides_when_the_header_says_nothing() -> None:
    detection = detect("Bundles.csv", ["foo", "bar"], CSV_TYPES)

    assert detection.csv_type is not None
    assert detection.csv_type.name == "bundles"
    assert detection.by == "file name"
    assert detection.confidence == 0.5


def test_a_header_that_clearly_fits_another_type_beats_the_name() -> None:
    header = "ID,Workflow,Label,Machine name,X,Dev,QA,From state,To state,Notes"

    assert found("Fields.csv", header) == "workflow_transitions"


def test_an_unknown_sheet_has_no_type() -> None:
    detection = detect("budget.csv", ["Month", "Costs"], CSV_TYPES)

    assert detection.csv_type is None
    assert detection.confidence == 0.0


def test_a_hostile_file_name_costs_no_time() -> None:
    started = time.process_time()

    assert found("-_" * 5000 + "1" * 5000 + "x.csv", "Month,Costs") is None

    assert time.process_time() - started < 5.0


@pytest.mark.parametrize(
    ("file_name", "header", "sure"),
    [
        ("Bundles.csv", "Name,Machine name,Type", True),
        ("export.csv", "ID,Workflow,Label,Machine name,X,Dev,QA,From state,To state,Notes", True),
        ("Bundles.csv", "foo,bar", False),
        ("Fields.csv", "ID,Workflow,Label,Machine name,X,Dev,QA,From state,To state,Notes", False),
        ("export.csv", "Workflow,Label,Machine name,From,To,Notes,X", False),
    ],
)
def test_a_type_that_name_and_header_do_not_agree_on_is_not_sure(
    file_name: str, header: str, sure: bool
) -> None:
    detection = detect(file_name, header.split(","), CSV_TYPES)

    assert detection.csv_type is not None
    assert (detection.confidence >= LEAST_SURE) == sure


def test_a_header_of_another_type_is_told_with_the_type_of_the_name() -> None:
    header = [
        "ID",
        "Workflow",
        "Label",
        "Machine name",
        "X",
        "Dev",
        "QA",
        "From state",
        "To state",
        "Notes",
    ]

    detection = detect("Fields.csv", header, CSV_TYPES)

    assert detection.otherwise is not None
    assert detection.otherwise.name == "fields"
