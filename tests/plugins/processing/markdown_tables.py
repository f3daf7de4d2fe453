"""The tables and lists a Markdown parser sees in a ticket, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

Tables = dict[str, list[list[str]]]


def plain(token: Token) -> str:
    """The text of an inline token; anything but text in it fails the test."""
    kinds = {child.type for child in token.children or []}
    assert kinds <= {"text"}, f"{token.content!r} was parsed into {kinds}"
    return "".join(child.content for child in token.children or [])


def parse(markdown: str) -> list[Token]:
    """The tokens of the strictest reader at hand: GitHub's tables, and links out of bare text."""
    return MarkdownIt("gfm-like").parse(markdown)


def tables(markdown: str) -> Tables:
    """Every table by the heading above it, its header row first; a heading has at most one.

    One below a heading of the third level is found by both headings: `Fields (2) / Settings`.
    """
    found: Tables = {}
    heading = ""
    tokens = parse(markdown)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            above = heading.split(" / ")[0]
            heading = plain(tokens[index + 1])
            heading = f"{above} / {heading}" if token.tag == "h3" else heading
        elif token.type == "table_open":
            assert heading not in found, f"two tables under {heading}"
            found[heading] = []
        elif token.type == "tr_open":
            found[heading].append([])
        elif token.type in {"th_open", "td_open"}:
            found[heading][-1].append(plain(tokens[index + 1]))
    return found


def shown_rows(markdown: str) -> dict[str, list[dict[str, str]]]:
    """What the tables of a ticket say of each row, by heading; cells are by header of the sheet.

    The columns of a table that say the same in all rows, and long texts, stand in tables below.
    """
    found = tables(markdown)
    rows: dict[str, list[dict[str, str]]] = {}
    for heading, (header, *lines) in found.items():
        above, _, below = heading.partition(" / ")
        if not below and header == ["Property", "Value"]:
            rows[heading] = [dict(lines)]
        elif not below:
            rows[heading] = [dict(zip(header, line, strict=True)) for line in lines]
        elif below.startswith("The same in "):
            rows[above] = [{**row, **dict(lines)} for row in rows[above]]
        else:
            _add_texts(rows[above], header, lines)
    return rows


def _add_texts(rows: list[dict[str, str]], header: list[str], lines: list[list[str]]) -> None:
    waiting = [dict(zip(header, line, strict=True)) for line in lines]
    for row in rows:
        named = [waiting[0][name] == row[name] for name in header[:2]] if waiting else [False]
        row.update(waiting.pop(0) if all(named) else {})
    assert not waiting, f"text of no row: {waiting}"


def tasks(markdown: str, heading: str) -> list[str]:
    """The items of the task list under a heading, none of them done."""
    items = bullets(markdown, heading)
    assert all(item.startswith("[ ] ") for item in items), items
    return [item.removeprefix("[ ] ") for item in items]


def bullets(markdown: str, heading: str) -> list[str]:
    """The items of the list under a heading."""
    items: list[str] = []
    current = ""
    tokens: Sequence[Token] = parse(markdown)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            current = plain(tokens[index + 1])
        elif token.type == "list_item_open" and current == heading:
            items.append(plain(tokens[index + 2]))
    return items
