"""A component and its written text as a ticket: a title and a description in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ticketgen.provides import Component, ComponentTable, Source, WrittenText
from ticketgen_processing.escaping import escape_cell, escape_line

__all__ = ["RenderedTicket", "render"]


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

    What the writer says is shown as plain text, so it can neither add a table nor break one.
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
        notes=component.notes,
    )


def _sections(component: Component, written: WrittenText) -> Iterator[str]:
    story = [escape_line(part) for part in written.user_story.split("\n\n") if part.strip()]
    if story:
        yield "## User story"
        yield from story
    if component.row is not None:
        yield "## Configuration"
        yield _table(("Property", "Value"), component.row.filled.items())
    for table in component.tables:
        yield f"## {escape_line(table.heading)} ({len(table.rows)})"
        yield _child_table(table)
    for listed in component.lists:
        yield f"## {escape_line(listed.heading)}"
        yield _bullets(link.title for link in listed.links)
    if written.success_criteria:
        yield "## Success criteria"
        yield _bullets(written.success_criteria)
    if component.depends_on:
        yield "## Dependencies"
        yield _bullets(link.title for link in component.depends_on)
    if component.notes:
        yield "## Notes"
        yield _bullets(component.notes)
    yield "## Sources"
    yield _bullets(_place(source) for source in component.sources)


def _child_table(table: ComponentTable) -> str:
    headers = table.headers
    rows = ([row.cells.get(header, "") for header in headers] for row in table.rows)
    return _table(headers, rows) if headers else ""


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_line(headers), _line(["---"] * len(headers), escaped=True)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _line(cells: Sequence[str], *, escaped: bool = False) -> str:
    texts = cells if escaped else [escape_cell(cell) for cell in cells]
    return f"| {' | '.join(texts)} |"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escape_line(line)}" for line in lines)


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
