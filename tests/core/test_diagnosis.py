from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.diagnosis import diagnose, timed_out
from ticketgen.errors import ErrorCategory, UserFixableError


class _RefusedError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__(f"SQLSTATE {sqlstate}")
        self.sqlstate = sqlstate


def _of_database(sqlstate: str | None, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", None, _RefusedError(sqlstate), connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (_of_database("57P03"), "database_unavailable"),  # starting up
        (_of_database("57P01"), "database_unavailable"),  # stopped by its administrator
        (_of_database("57014"), "database_unavailable"),  # statement took too long
        (_of_database("53300"), "database_unavailable"),  # too many connections
        (_of_database("40P01"), "database_unavailable"),  # deadlock
        (_of_database("40001"), "database_unavailable"),  # serialization
        (_of_database(None, lost=True), "database_unavailable"),
        (PoolTimeoutError(), "database_unavailable"),
        (ConnectionRefusedError(), "connection_lost"),
        (_of_database("23505"), "unexpected"),  # unique violation
        (_of_database(None), "unexpected"),
        (ProgrammingError("x", None, _RefusedError("42601")), "unexpected"),
        (FileNotFoundError("a"), "unexpected"),
        (ValueError("a"), "unexpected"),
    ],
)
def test_what_passes_by_itself_is_temporary_and_the_rest_is_not(
    error: Exception, code: str
) -> None:
    failure = diagnose(error)

    assert failure.code == code
    assert (failure.category is ErrorCategory.TEMPORARY) == (code != "unexpected")
    assert type(error).__name__ in failure.technical_details["exception"]


def test_an_expected_error_stands_for_itself() -> None:
    error = UserFixableError("Rename the column.")

    assert diagnose(error) is error


def test_a_time_limit_says_how_long_it_was() -> None:
    assert "0:30:00" in timed_out(timedelta(minutes=30)).message
