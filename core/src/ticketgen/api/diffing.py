"""How one text differs from another, line by line, in a time that is bounded whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CONTEXT", "DiffLine", "Hunk", "LineKind", "TextDiff", "compare", "unified"]

CONTEXT = 3
"""Lines that are the same, shown around what differs."""

_STEPS = 1_000_000
"""Comparisons of lines at most, about half a second; what takes more is not taken apart."""

_SHOWN = 20_000
"""Lines of a difference that are shown at most; more than that nobody reads."""

_Pairs = list[tuple[int, int]]


class LineKind(StrEnum):
    """What happened to a line."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, kw_only=True)
class DiffLine:
    """A line of either text, or of both."""

    kind: LineKind
    text: str


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """A place where the texts differ, with some lines around it; the first line is line 1."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, kw_only=True)
class TextDiff:
    """Everything that differs."""

    removed: int
    added: int
    exact: bool
    """False: too much is in another order; the lines between the ends that are the same are shown
    as removed and added."""
    left_out: int
    """Lines at the end that are not shown, for there are too many."""
    hunks: tuple[Hunk, ...]


def compare(old: str, new: str, *, steps: int = _STEPS, shown: int = _SHOWN) -> TextDiff:
    """The smallest difference between two texts, or, after so many steps, a coarser one.

    Lines end with a line feed and nothing else; joined by it they are the text again.
    """
    a, b = old.split("\n"), new.split("\n")
    start = _same_ahead(a, b)
    end = _same_ahead(a[start:][::-1], b[start:][::-1])
    between = _common(a[start : len(a) - end], b[start : len(b) - end], steps)
    pairs = [
        *((i, i) for i in range(start)),
        *((i + start, j + start) for i, j in between or ()),
        *((len(a) - n, len(b) - n) for n in range(end, 0, -1)),
    ]
    script = list(_script(a, b, pairs))
    spans = _spans(script)
    return TextDiff(
        removed=len(a) - len(pairs),
        added=len(b) - len(pairs),
        exact=between is not None,
        left_out=max(0, sum(end - start for start, end in spans) - shown),
        hunks=tuple(_hunks(script, spans, shown)),
    )


def unified(diff: TextDiff, *, old: str = "generated", new: str = "now") -> list[str]:
    """The difference as lines of a unified diff; none if there is no difference."""
    marks = {LineKind.SAME: " ", LineKind.REMOVED: "-", LineKind.ADDED: "+"}
    lines = [f"--- {old}", f"+++ {new}"] if diff.hunks else []
    for hunk in diff.hunks:
        ranges = (
            f"-{_range(hunk.old_start, hunk.old_count)} +{_range(hunk.new_start, hunk.new_count)}"
        )
        lines.append(f"@@ {ranges} @@")
        lines += [f"{marks[line.kind]}{line.text}" for line in hunk.lines]
    if diff.left_out:
        lines.append(f"\\ {diff.left_out:,} more lines are not shown")
    return lines


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def _same_ahead(a: Sequence[str], b: Sequence[str]) -> int:
    shorter = min(len(a), len(b))
    return next((i for i in range(shorter) if a[i] != b[i]), shorter)


def _common(a: Sequence[str], b: Sequence[str], steps: int) -> _Pairs | None:
    """A longest common subsequence as pairs of indexes; None if it takes too many steps."""
    # A line that the other text does not have costs nothing: only what was moved is searched for.
    in_a, in_b = set(a), set(b)
    rows = [i for i, line in enumerate(a) if line in in_b]
    columns = [j for j, line in enumerate(b) if line in in_a]
    found = _shortest_edit([a[i] for i in rows], [b[j] for j in columns], steps)
    return None if found is None else [(rows[i], columns[j]) for i, j in found]


def _shortest_edit(a: Sequence[str], b: Sequence[str], steps: int) -> _Pairs | None:
    """Myers' greedy algorithm: how far each diagonal gets with 0, 1, 2 … lines that differ.

    `reached[d][i]` is the row reached on diagonal `2 * i - d`; a diagonal is row minus column.
    """
    n, m = len(a), len(b)
    reached: list[list[int]] = []
    for d in range(n + m + 1):
        here: list[int] = []
        for i in range(d + 1):
            diagonal = 2 * i - d
            x = begun = _begin(reached, d, i)
            while x < n and x - diagonal < m and a[x] == b[x - diagonal]:
                x += 1
            here.append(x)
            steps -= x - begun + 1
            if x == n and diagonal == n - m:
                return _walked([*reached, here], i)
        if steps < 0:
            return None
        reached.append(here)
    return []


def _begin(reached: Sequence[Sequence[int]], d: int, i: int) -> int:
    """Where a diagonal goes on: below one neighbour or right of the other, whoever got further."""
    if d == 0:
        return 0
    before = reached[d - 1]
    added = before[i] if i < d else -1
    removed = before[i - 1] + 1 if i > 0 else -1
    return max(added, removed)


def _walked(reached: Sequence[Sequence[int]], i: int) -> _Pairs:
    """The pairs of equal lines on the way that ends on diagonal `i` of the last step."""
    pairs: _Pairs = []
    for d in range(len(reached) - 1, -1, -1):
        diagonal = 2 * i - d
        begun = _begin(reached, d, i)
        pairs += [(x, x - diagonal) for x in range(reached[d][i] - 1, begun - 1, -1)]
        if d and (i == d or (i > 0 and reached[d - 1][i - 1] + 1 > reached[d - 1][i])):
            i -= 1
    return pairs[::-1]


def _script(a: Sequence[str], b: Sequence[str], pairs: _Pairs) -> Iterator[tuple[LineKind, str]]:
    i = j = 0
    for x, y in [*pairs, (len(a), len(b))]:
        yield from ((LineKind.REMOVED, line) for line in a[i:x])
        yield from ((LineKind.ADDED, line) for line in b[j:y])
        if x < len(a):
            yield LineKind.SAME, a[x]
        i, j = x + 1, y + 1


def _spans(script: Sequence[tuple[LineKind, str]]) -> list[tuple[int, int]]:
    """Where something differs, with the lines around it; what would touch is one."""
    spans: list[tuple[int, int]] = []
    for n, (kind, _) in enumerate(script):
        if kind is LineKind.SAME:
            continue
        start, end = max(0, n - CONTEXT), min(len(script), n + CONTEXT + 1)
        if spans and start <= spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans


def _hunks(
    script: Sequence[tuple[LineKind, str]], spans: Iterable[tuple[int, int]], shown: int
) -> Iterator[Hunk]:
    old = new = seen = 0
    for start, end in spans:
        if not shown:
            return
        # Between two hunks there is nothing but what is the same.
        old, new = old + start - seen, new + start - seen
        part = script[start:end]
        in_old = sum(kind is not LineKind.ADDED for kind, _ in part)
        in_new = sum(kind is not LineKind.REMOVED for kind, _ in part)
        yield Hunk(
            old_start=old + (in_old > 0),
            old_count=in_old,
            new_start=new + (in_new > 0),
            new_count=in_new,
            lines=tuple(DiffLine(kind=kind, text=text) for kind, text in part[:shown]),
        )
        shown = max(0, shown - len(part))
        old, new, seen = old + in_old, new + in_new, end
