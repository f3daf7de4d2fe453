"""The tree in the docstring is the tree of the classes, and every error keeps what it was told."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from ticketgen import errors
from ticketgen.errors import ErrorCategory, RateLimitedError, TemporaryError, TicketgenError

_LINE = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>\w+) +(?P<category>\w+) +(?P<status>\d{3})")


def _drawn() -> list[tuple[str, str | None, str, int]]:
    """Name, parent, category and status of every class in the docstring, from the top."""
    path: list[tuple[int, str]] = []
    drawn: list[tuple[str, str | None, str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match("    " + line.strip("\n").removeprefix("    "))
        if match is None or not line.startswith("    "):
            continue
        depth = len(match["branch"])
        while path and path[-1][0] >= depth:
            path.pop()
        parent = path[-1][1] if path else None
        path.append((depth, match["name"]))
        drawn.append((match["name"], parent, match["category"], int(match["status"])))
    return drawn


def _defined() -> list[type[TicketgenError]]:
    kinds = [getattr(errors, name) for name in errors.__all__]
    return [kind for kind in kinds if issubclass(kind, TicketgenError)]


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = _drawn()

    tree = {
        (
            kind.__name__,
            kind.__bases__[0].__name__ if kind is not TicketgenError else None,
            str(kind.category),
            kind.status,
        )
        for kind in _defined()
    }

    assert len(drawn) == len(tree)
    assert set(drawn) == tree


def test_no_two_errors_have_one_code() -> None:
    codes = [kind.code for kind in _defined()]

    assert len(set(codes)) == len(codes)


def test_the_categories_are_those_of_the_founding_specification() -> None:
    assert [str(category) for category in ErrorCategory] == [
        "user_fixable",
        "admin_required",
        "temporary",
    ]


@pytest.mark.parametrize("kind", _defined(), ids=lambda kind: kind.__name__)
def test_an_error_keeps_what_it_was_told(kind: type[TicketgenError]) -> None:
    error = kind(
        "The sheet has no header.",
        recovery_actions=["Add one."],
        technical_details={"row": 1},
    )

    assert str(error) == error.message == "The sheet has no header."
    assert error.recovery_actions == ("Add one.",)
    assert error.technical_details == {"row": 1}


def test_an_error_does_not_share_its_details_with_whoever_raised_it() -> None:
    details = {"row": 1}
    error = TicketgenError("No.", technical_details=details)

    details["row"] = 2

    assert error.technical_details == {"row": 1}


@pytest.mark.parametrize("kind", [TemporaryError, RateLimitedError])
def test_a_temporary_error_knows_how_long_to_wait(kind: type[TemporaryError]) -> None:
    error = kind("Wait.", retry_after=timedelta(seconds=9))

    assert error.retry_after == timedelta(seconds=9)
    assert kind("Wait.").retry_after is None
