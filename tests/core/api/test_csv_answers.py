from __future__ import annotations

import csv
import io

import pytest

from ticketgen.api.csv_answers import csv_lines


def _cells(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_run_as_a_formula(sign: str) -> None:
    written = csv_lines([[f"{sign}HYPERLINK(1)"]])

    assert _cells(written) == [[f"'{sign}HYPERLINK(1)"]]


def test_quotes_commas_and_line_breaks_come_back_as_they_were() -> None:
    rows = [['a "word"', "b,c", "d\r\ne", "", "ü"], ["1"]]

    assert _cells(csv_lines(rows)) == rows


def test_what_no_file_can_hold_is_replaced_and_nothing_is_an_empty_cell() -> None:
    assert csv_lines([["a\ud800b", None, 3]]) == b"a?b,,3\r\n"
