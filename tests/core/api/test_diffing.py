from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketgen.api.diffing import LineKind, TextDiff, compare, unified

_TEXTS = st.lists(st.sampled_from(["", "a", "b", "c", "d\r"]), max_size=12).map("\n".join)


def _applied(old: str, diff: TextDiff) -> str:
    """The new text, made from the old one by what the difference says."""
    lines, made, at = old.split("\n"), list[str](), 0
    for hunk in diff.hunks:
        start = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        made += lines[at:start]
        at = start
        assert len(made) + 1 == hunk.new_start + (hunk.new_count == 0)
        for line in hunk.lines:
            if line.kind is not LineKind.ADDED:
                assert lines[at] == line.text
                at += 1
            if line.kind is not LineKind.REMOVED:
                made.append(line.text)
    return "\n".join(made + lines[at:])


def _longest_common(a: list[str], b: list[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


@given(old=_TEXTS, new=_TEXTS)
def test_a_difference_makes_the_new_text_of_the_old_with_as_little_as_possible(
    old: str, new: str
) -> None:
    diff = compare(old, new)

    assert _applied(old, diff) == new
    assert diff.exact
    kept = _longest_common(old.split("\n"), new.split("\n"))
    assert diff.removed == len(old.split("\n")) - kept
    assert diff.added == len(new.split("\n")) - kept


@given(old=_TEXTS, new=_TEXTS, steps=st.integers(0, 20))
def test_a_difference_that_takes_too_long_is_coarser_and_still_right(
    old: str, new: str, steps: int
) -> None:
    diff = compare(old, new, steps=steps)

    assert _applied(old, diff) == new


def test_lines_of_a_unified_diff_are_those_of_difflib() -> None:
    old = [f"line {number}" for number in range(60)]
    new = [*old[:5], "new", *old[6:20], *old[23:50], "one", "two", *old[50:]]

    lines = unified(compare("\n".join(old), "\n".join(new)))

    assert lines == list(
        difflib.unified_diff(old, new, fromfile="generated", tofile="now", lineterm="")
    )


def test_what_is_too_much_to_be_read_is_counted_and_left_out() -> None:
    diff = compare("\n".join("abcdef"), "\n".join("ghijkl"), shown=8)

    assert (diff.removed, diff.added, diff.left_out) == (6, 6, 4)
    assert [line.text for hunk in diff.hunks for line in hunk.lines] == list("abcdefgh")
    assert (diff.hunks[0].old_count, diff.hunks[0].new_count) == (6, 6)
    assert unified(diff)[-1] == "\\ 4 more lines are not shown"


_LINES = 60_000

_HARD: dict[str, tuple[str, str]] = {
    "one line each": ("x" * 1_000_000, "y" * 1_000_000),
    "nothing but line feeds": ("\n" * _LINES, "\n" * (_LINES + 1) + "x"),
    "backwards": (
        "\n".join(str(number) for number in range(_LINES)),
        "\n".join(str(number) for number in reversed(range(_LINES))),
    ),
    "two rhythms": ("a\nb\n" * (_LINES // 2), "b\na\na\n" * (_LINES // 3)),
}


class _CountedLine(str):
    """A line that counts how often lines are compared."""

    __slots__ = ()
    compared = 0

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        _CountedLine.compared += 1
        return str.__eq__(self, other)


class _CountingText(str):
    """A text of such lines."""

    __slots__ = ()

    def split(self, *args: object, **kwargs: object) -> list[str]:
        return [_CountedLine(line) for line in str.split(self, "\n")]


@pytest.mark.parametrize("name", _HARD)
def test_no_two_texts_take_more_comparisons_than_are_allowed(name: str) -> None:
    old, new = (_CountingText(text) for text in _HARD[name])
    _CountedLine.compared = 0

    diff = compare(old, new, steps=100_000)

    assert diff.removed or diff.added
    # The ends that are the same are found with one comparison each, and so are the lines of a set.
    assert _CountedLine.compared < 100_000 + 10 * _LINES
