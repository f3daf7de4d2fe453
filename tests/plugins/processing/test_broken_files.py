"""Whatever is wrong with a file, its owner is told: a finding or a refusal, never an exception."""

from __future__ import annotations

import pytest

from tests.plugins.processing.broken import Broken
from tests.plugins.processing.broken_texts import BROKEN_TEXTS
from tests.plugins.processing.broken_workbooks import BROKEN_WORKBOOKS
from ticketgen.findings import Severity
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.inspecting import inspect_file
from ticketgen_processing.intake.parsing import parse_sheet
from ticketgen_processing.intake.reading import read_table

BROKEN = [*BROKEN_TEXTS, *BROKEN_WORKBOOKS]
TYPES = {csv_type.name: csv_type for csv_type in CSV_TYPES}


def test_there_are_more_than_sixty_kinds_and_no_name_twice() -> None:
    assert len({one.name for one in BROKEN}) == len(BROKEN) > 60


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.name)
def test_a_broken_file_is_read_reported_or_refused_as_its_owner_can_understand(
    broken: Broken,
) -> None:
    inspection = inspect_file(broken.file, broken.content(), {}, CSV_TYPES)

    for finding in inspection.findings:
        assert finding.file is not None
        assert finding.file.startswith(broken.file)
        assert finding.message.endswith((".", "?"))
        assert finding.remedy.endswith(".")
        assert finding.rule.startswith("processing.")
    if broken.refused is not None:
        errors = [one for one in inspection.findings if one.severity is Severity.ERROR]
        assert inspection.sheets == ()
        assert any(broken.refused in one.message for one in errors), errors
        return
    assert inspection.sheets, inspection.findings
    rules = {one.rule for one in inspection.findings}
    assert broken.rule in rules if broken.rule is not None else rules == set()
    sheet = inspection.sheets[0]
    table = read_table(sheet.content, CSV_TYPES)
    again = parse_sheet(sheet.name, table, TYPES[sheet.csv_type])
    assert sheet.row_count == len(table.records)
    assert set(again.findings) <= set(inspection.findings), "a check later says something else"
    if broken.rule is None:
        assert [tuple(row.cells.values())[:3] for row in again.rows] == [
            ("Article", "article", "Content type")
        ]
