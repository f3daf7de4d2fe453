from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticketgen.storable import storable, storable_text

_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(_anything)
def test_anything_becomes_json_that_postgres_takes(value: object) -> None:
    written = json.dumps(storable(value), allow_nan=False, ensure_ascii=False)

    assert "\x00" not in written
    assert "\\u0000" not in written.replace("\\\\", "")
    written.encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, 2.5, None, True, "ä"]}, {"a": [1, 2.5, None, True, "ä"]}),
        ((1, {2}), [1, [2]]),
        ({3: float("nan")}, {"3": "nan"}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
    ],
)
def test_json_stays_as_it_is_and_the_rest_becomes_text(value: object, expected: object) -> None:
    assert storable(value) == expected


def test_each_character_that_cannot_be_stored_is_replaced() -> None:
    assert storable_text("a\x00b\ud800c\udfff😀") == "a�b�c�😀"
