"""Sheets and components for the tests of processing, built from text or taken from folders."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ticketgen.provides.component import Component
from ticketgen.provides.csv_type import CsvType
from ticketgen.provides.writer import SiteContext
from ticketgen.sample import sample_files
from ticketgen_processing.building.components import Built, build_tickets
from ticketgen_processing.csv_types import CSV_TYPES
from ticketgen_processing.intake.detecting import detect
from ticketgen_processing.intake.parsing import Sheet, parse_sheet
from ticketgen_processing.intake.reading import read_table

SITE = SiteContext(project_name="Tidemark Museums")


def sheet(text: str | bytes, type_name: str, *, file: str = "sheet.csv") -> Sheet:
    """One parsed sheet of a known type."""
    data = text.encode() if isinstance(text, str) else text
    csv_type = next(csv_type for csv_type in CSV_TYPES if csv_type.name == type_name)
    return parse_sheet(file, read_table(data, CSV_TYPES), csv_type)


def sheets(files: Mapping[str, bytes], types: Sequence[CsvType] = CSV_TYPES) -> list[Sheet]:
    """Every file as a sheet of its detected type."""
    parsed = []
    for name, data in files.items():
        table = read_table(data, types)
        found = detect(name, table.header.cells, types).csv_type
        assert found is not None, f"{name} was not recognised"
        parsed.append(parse_sheet(name, table, found))
    return parsed


def build(**texts: str) -> Built:
    """The components of sheets given as text, by name of their type; files are `<type>.csv`."""
    return build_tickets(
        [sheet(text, name, file=f"{name}.csv") for name, text in texts.items()], CSV_TYPES
    )


def component(built: Built, key: str) -> Component:
    """The component of a key; fails with the keys there are."""
    by_key = {one.key: one for one in built.components}
    assert key in by_key, f"{key} is not among {sorted(by_key)}"
    return by_key[key]


def real_files() -> dict[str, bytes]:
    """The files of a real specification; skips the test where no folder of one is named."""
    folder = os.environ.get("TICKETGEN_SPEC_DIR")  # noqa: TID251
    if folder is None:
        pytest.skip("TICKETGEN_SPEC_DIR names no folder with a real specification")
    paths = sorted(Path(folder).rglob("*.csv"))
    assert paths, f"{folder} holds no CSV files"
    return {path.name: path.read_bytes() for path in paths}


def specification(name: str) -> dict[str, bytes]:
    """The files of the shipped sample, or of the real set."""
    return sample_files() if name == "sample" else real_files()
