from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import BinaryExpression, Interval, column

from ticketgen.database import UtcDateTime

MADE_AT = column("made_at", UtcDateTime())
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "bound", "result"),
    [
        (MADE_AT - timedelta(hours=1), Interval, UtcDateTime),
        (MADE_AT + timedelta(hours=1), Interval, UtcDateTime),
        (MADE_AT - NOON, UtcDateTime, Interval),
    ],
    ids=["less a while", "and a while", "since a time"],
)
def test_a_time_in_sql_takes_a_while_as_a_while_and_a_time_as_a_time(
    expression: BinaryExpression[Any], bound: type, result: type
) -> None:
    assert isinstance(expression.right.type, bound)
    assert isinstance(expression.type, result)
