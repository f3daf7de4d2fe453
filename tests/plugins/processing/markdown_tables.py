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
    """Every table by the heading above it, its header row first; a heading has at most one."""
    found: Tables = {}
    heading = ""
    tokens = parse(markdown)
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            heading = plain(tokens[index + 1])
        elif token.type == "table_open":
            assert heading not in found, f"two tables under {heading}"
            found[heading] = []
        elif token.type == "tr_open":
            found[heading].append([])
        elif token.type in {"th_open", "td_open"}:
            found[heading][-1].append(plain(tokens[index + 1]))
    return found


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
