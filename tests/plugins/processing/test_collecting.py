from __future__ import annotations

import pytest

from tests.plugins.processing.sheets import sheet
from ticketgen import Finding, Severity
from ticketgen_processing.building.components import build_tickets
from ticketgen_processing.collecting import Collected
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.grouping import group_findings, identity_of


def _finding(row: int, *, column: str = "A", severity: Severity = Severity.WARNING) -> Finding:
    return Finding(
        severity=severity,
        rule="acme.odd",
        message="It is odd.",
        remedy="Make it even.",
        file="Odd.csv",
        row=row,
        column=column,
        value=str(row),
    )


def test_of_every_kind_five_hundred_are_held_and_one_stands_for_the_rest() -> None:
    collected = Collected()
    collected.add(_finding(row) for row in range(1_700))
    collected.add([_finding(7, column="B")])
    collected.add([_finding(1_701, severity=Severity.ERROR)])

    *held, rest = collected.findings
    group, other = sorted(group_findings(collected.findings), key=lambda group: -group.count)

    assert len(held) == 501
    assert (rest.stands_for, rest.row, rest.value) == (1_201, None, None)
    assert rest.message.startswith("1,201 more like this")
    assert rest.severity is Severity.ERROR, "one that is an error is not lost among warnings"
    assert (group.count, other.count) == (1_701, 1)
    assert group.identities == {identity_of(rest): 1_201}


def test_no_more_than_most_are_held_however_many_kinds_there_are() -> None:
    collected = Collected(most=10)

    collected.add(_finding(row, column=str(row % 5)) for row in range(100))

    assert len(collected.findings) == 10 + 5
    assert sum(finding.stands_for for finding in collected.findings) == 100


def test_an_accepted_error_that_is_not_named_stands_on_every_ticket_of_its_file() -> None:
    rows = "".join(f"Page {n % 3},L{n},field_{n},#N/A\n" for n in range(600))
    fields = sheet(f"Bundle,Field label,Machine name,Field type\n{rows}", "fields")
    found = build_tickets([fields], CSV_TYPES).findings
    [rest] = [one for one in found if one.rule == "processing.spreadsheet_error" and not one.row]

    built = build_tickets([fields], CSV_TYPES, accepted=frozenset({identity_of(rest)}))

    assert rest.stands_for == 100
    assert len(built.components) == 3
    for component in built.components:
        assert any("100 more like this" in note for note in component.notes)


@pytest.mark.parametrize("cells", ["#N/A," * 300, "x," * 300])
def test_a_sheet_of_nothing_but_problems_is_told_in_some_thousand_findings(cells: str) -> None:
    text = f"Bundle,Field label,{cells}\n" + f"A,B,{cells}\n" * 700

    parsed = sheet(text, "fields")

    assert len(parsed.findings) < 3_000
