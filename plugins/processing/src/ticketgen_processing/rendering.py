"""A component and its written text as a ticket: a title and a description in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ticketgen.provides import Component, ComponentTable, SheetRow, Source, WrittenText
from ticketgen_processing.escaping import escape_cell, escape_line

__all__ = ["RenderedTicket", "render"]

_WIDEST = 8
"""Columns beside each other that can still be read with prose among them."""
_LONGEST_CELL = 70
_NAMING = 2
"""So many columns at the front tell one row from the others: its label, its machine name."""


@dataclass(frozen=True, kw_only=True)
class RenderedTicket:
    """A ticket ready to be stored."""

    key: str
    title: str
    """Plain text, one line of at most 250 characters."""
    description: str
    """Markdown; tables as in GitHub's flavour."""
    entity_group: str
    csv_type: str
    position: int
    depends_on: tuple[str, ...]
    """Keys of other tickets."""
    sources: tuple[Source, ...]
    notes: tuple[str, ...]


def render(component: Component, written: WrittenText) -> RenderedTicket:
    """The ticket of a component; its tables hold every filled cell of its rows, unchanged.

    What says the same in all rows of a table stands below it, once, and so does long text of a
    wide table, row by row; the author's own status stands last. The criteria are tasks to tick
    off. What the writer says is shown as plain text, so it can neither add a table nor break one.
    """
    return RenderedTicket(
        key=component.key,
        title=component.title,
        description="\n\n".join(_sections(component, written)) + "\n",
        entity_group=component.entity_group,
        csv_type=component.csv_type,
        position=component.position,
        depends_on=tuple(link.key for link in component.depends_on),
        sources=component.sources,
        notes=(*component.notes, *written.notes),
    )


def _sections(component: Component, written: WrittenText) -> Iterator[str]:
    story = [escape_line(part) for part in written.user_story.split("\n\n") if part.strip()]
    if story:
        yield "## User story"
        yield from story
    if component.row is not None:
        yield "## Configuration"
        yield _property_table(component.row, component.row.filled)
    for table in component.tables:
        yield f"## {escape_line(table.heading)} ({len(table.rows)})"
        yield from _child_tables(table)
    if written.success_criteria:
        yield "## Success criteria"
        yield _list(written.success_criteria, mark="- [ ] ")
    notes = (*component.notes, *written.notes)
    if notes:
        yield "## Notes"
        yield _list(notes)
    yield "## Sources"
    yield _list(_place(source) for source in component.sources)
    if component.depends_on:
        yield "## Dependencies"
        yield _list(link.title for link in component.depends_on)
    for listed in component.lists:
        yield f"## {escape_line(listed.heading)}"
        yield _list(link.title for link in listed.links)


def _child_tables(table: ComponentTable) -> Iterator[str]:
    """The rows: what differs as a table or two of them, what does not as one of properties."""
    status = frozenset[str]().union(*(row.status for row in table.rows))
    first, headers = table.rows[0], _status_last(table.headers, status)
    same = [header for header in headers if len({_cell(row, header) for row in table.rows}) == 1]
    differing = [header for header in headers if header not in same]
    if not headers:
        return
    if not differing:
        yield _property_table(first, headers) if len(table.rows) == 1 else _rows(table, headers)
        return
    texts = _long_texts(table, differing)
    yield _rows(table, [header for header in differing if header not in texts])
    if texts:
        yield f"### {escape_line(' and '.join(texts))}"
        yield _rows(table, [*differing[:_NAMING], *texts], filled=texts)
    if same:
        yield f"### The same in {'both' if len(table.rows) == 2 else f'all {len(table.rows)}'} rows"
        yield _property_table(first, same)


def _long_texts(table: ComponentTable, headers: Sequence[str]) -> list[str]:
    """The columns of prose, where a table is too wide to be read with them in it."""
    if len(headers) <= _WIDEST:
        return []
    return [
        header
        for header in headers[_NAMING:]
        if any(len(_cell(row, header)) > _LONGEST_CELL for row in table.rows)
    ]


def _rows(table: ComponentTable, headers: Sequence[str], *, filled: Sequence[str] = ()) -> str:
    """The rows under these headers; only those with text under one of `filled`, if it is given."""
    rows = (
        row
        for row in table.rows
        if not filled or any(_cell(row, header).strip() for header in filled)
    )
    return _table(headers, ([_cell(row, header) for header in headers] for row in rows))


def _property_table(row: SheetRow, headers: Iterable[str]) -> str:
    ordered = _status_last(tuple(headers), row.status)
    return _table(("Property", "Value"), ([header, row.cells[header]] for header in ordered))


def _status_last(headers: Sequence[str], status: frozenset[str]) -> list[str]:
    return sorted(headers, key=status.__contains__)


def _cell(row: SheetRow, header: str) -> str:
    return row.cells.get(header, "")


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(headers), _line(["---"] * len(headers), escaped=True)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str], *, escaped: bool = False) -> str:
    texts = cells if escaped else [escape_cell(cell) for cell in cells]
    return f"| {' | '.join(texts)} |"


def _list(lines: Iterable[str], *, mark: str = "- ") -> str:
    return "\n".join(f"{mark}{escape_line(line)}" for line in lines)


def _place(source: Source) -> str:
    rows = _ranges(source.rows)
    return f"{source.file}, {'rows' if len(source.rows) > 1 else 'row'} {rows}"


def _ranges(numbers: Sequence[int]) -> str:
    spans: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], number)
        else:
            spans.append((number, number))
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in spans)
