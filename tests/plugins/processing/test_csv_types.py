"""The fourteen types agree with themselves and with each other."""

from __future__ import annotations

import pytest

from ticketgen.provides.csv_type import CsvType
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.naming import header_name

NAMES = {csv_type.name: csv_type for csv_type in CSV_TYPES}
each = pytest.mark.parametrize("csv_type", CSV_TYPES, ids=lambda one: one.name)


def test_there_are_fourteen_types_and_no_name_twice() -> None:
    assert len(CSV_TYPES) == len(NAMES) == 14


@each
def test_every_column_a_type_speaks_of_is_among_its_columns(csv_type: CsvType) -> None:
    columns = {column.name for column in csv_type.columns}
    spoken = {csv_type.title_column, *csv_type.status_columns}
    spoken |= {
        name
        for name in (
            csv_type.machine_name_column,
            csv_type.qualifier_column,
            csv_type.group_column,
            *(one.machine_name_column for one in csv_type.references),
            *(one.qualifier_column for one in csv_type.references),
        )
        if name is not None
    }
    spoken |= {one.column for one in csv_type.references}
    if csv_type.parent is not None:
        spoken |= {csv_type.parent.column, csv_type.parent.machine_name_column or ""} - {""}

    assert spoken <= columns


@each
def test_every_type_that_is_named_exists(csv_type: CsvType) -> None:
    named = {target for one in csv_type.references for target in one.targets}
    if csv_type.parent is not None:
        named.add(csv_type.parent.csv_type)
        assert NAMES[csv_type.parent.csv_type].parent is None

    assert named <= NAMES.keys()


@each
def test_no_header_means_two_columns_by_their_usual_names(csv_type: CsvType) -> None:
    names = [header_name(column.name) for column in csv_type.columns]

    assert len(names) == len(set(names))


@each
def test_a_type_asks_for_at_least_one_column(csv_type: CsvType) -> None:
    assert any(column.required for column in csv_type.columns)
