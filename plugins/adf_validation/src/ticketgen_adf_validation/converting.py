"""Turns the Markdown of a ticket into an Atlassian Document that Jira accepts, word for word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from markdown_it.rules_block.table import escapedSplit
from markdown_it.token import Token

from ticketgen_adf_validation.inline import inline_nodes
from ticketgen_adf_validation.lowering import Node, lower, merged_text, paragraph, text_node
from ticketgen_adf_validation.parsing import DEEPEST, PARSER

__all__ = ["markdown_to_adf"]

_LONE_SURROGATE_OR_NUL = re.compile("[\x00\ud800-\udfff]")
_TASK_MARKER = re.compile(r"\[([ xX])\]\s+(?=\S)")
_TASK_MARKER_ONLY = re.compile(r"\[[ xX]\]\s*")
_MARKER = "task"
"""A property of items while they are read, and of nothing that leaves here."""
_QUOTE_MARKERS = re.compile(r"^[\s>]*")
_BOXES = {" ": "☐ ", "x": "☑ ", "X": "☑ "}
_TASK_HOLDERS = frozenset({"bulletList", "orderedList", "listItem", "taskList"})
_CONTAINERS = frozenset(
    {"blockquote_open", "bullet_list_open", "ordered_list_open", "list_item_open"}
)


def markdown_to_adf(markdown: str) -> dict[str, Any]:
    """Promise a valid ADF document (version 1) that holds every word of the Markdown.

    What is read is GitHub's Markdown with tables, strikethrough, task lists and bare links. A block
    that its container may not hold becomes one that it may: a heading in a list is a strong
    paragraph, a table in a quote one paragraph a row, a quote in a quote its paragraphs. Tasks are
    a task list where every item of the list is one, else bullets with ☐ and ☑. HTML is text.
    Links to anything but http, https and mailto are text with the address beside it.

    Where GitHub drops text in silence, this does not: surplus cells of a table row move into its
    last cell, definitions of reference links stay visible (so `[text][name]` is text), words after
    the language of a code block are a paragraph before it, and blocks nested more than 60 deep are
    shown as their source. Only `www.` links and file names with the look of a domain (`README.md`)
    stay plain text. NUL and lone surrogates, which neither JSON nor Postgres take, become U+FFFD. A
    blank text gives a document without content.
    """
    source = _LONE_SURROGATE_OR_NUL.sub("\ufffd", markdown)
    tokens = PARSER.parse(source)
    if any(token.level >= DEEPEST - 1 and token.type in _CONTAINERS for token in tokens):
        blocks = _as_source(source)
    else:
        blocks = _Reader(lines=_lines(source)).blocks(iter(tokens))
    content = lower(blocks, "doc")
    _number_tasks(content)
    return {"version": 1, "type": "doc", "content": content}


def _lines(source: str) -> list[str]:
    """The lines as the parser counts them: ended by LF, CR or CRLF and by nothing else."""
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _as_source(source: str) -> list[Node]:
    return [paragraph([text_node(line)]) for line in _lines(source) if line.strip()]


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads a stream of block tokens into nodes that may still stand where they must not."""

    lines: Sequence[str]

    def blocks(self, tokens: Iterator[Token], *, until: str = "") -> list[Node]:
        """The blocks up to the token that closes them, which is consumed."""
        nodes: list[Node] = []
        for token in tokens:
            if token.type == until:
                break
            read = _READERS.get(token.type)
            if read is not None:
                nodes.extend(read(self, token, tokens))
        return nodes

    def paragraph(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        content = self._inline(tokens)
        return [paragraph(content)] if content else []

    def heading(self, token: Token, tokens: Iterator[Token]) -> list[Node]:
        level = int(token.tag[1:])
        content = self._inline(tokens)
        return [{"type": "heading", "attrs": {"level": level}, "content": content}]

    def code(self, token: Token, _tokens: Iterator[Token]) -> list[Node]:
        text = token.content.removesuffix("\n")
        node: Node = {"type": "codeBlock", "content": [text_node(text)] if text else []}
        language, *rest = token.info.strip().split(maxsplit=1) or [""]
        if language:
            node["attrs"] = {"language": language}
        return [*(paragraph([text_node(words)]) for words in rest), node]

    def rule(self, _token: Token, _tokens: Iterator[Token]) -> list[Node]:
        return [{"type": "rule"}]

    def quote(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        return [{"type": "blockquote", "content": self.blocks(tokens, until="blockquote_close")}]

    def bullets(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        items = self.blocks(tokens, until="bullet_list_close")
        if all(_is_task(item) for item in items):
            return [_task_list(items)]
        return [{"type": "bulletList", "content": [_with_box(item) for item in items]}]

    def numbers(self, token: Token, tokens: Iterator[Token]) -> list[Node]:
        items = self.blocks(tokens, until="ordered_list_close")
        start = token.attrs.get("start", 1)
        return [
            {
                "type": "orderedList",
                "attrs": {"order": int(start)},
                "content": [_with_box(item) for item in items],
            }
        ]

    def item(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        """The item, with its task marker until its list decides what becomes of it."""
        opening = [next(tokens)]
        marker = None
        if opening[0].type == "paragraph_open":
            opening.append(next(tokens))
            # Only the source tells a marker from an escaped one, or from the text of a link.
            marker = _TASK_MARKER.match(opening[1].content)
        content = self.blocks(chain(opening, tokens), until="list_item_close")
        task = _without_marker(content[0]["content"]) if marker is not None else []
        if marker is None or not task:
            return [{"type": "listItem", "content": content}]
        content[0] = paragraph(task)
        return [{"type": "listItem", _MARKER: marker.group(1), "content": content}]

    def table(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        return [{"type": "table", "content": self.blocks(tokens, until="table_close")}]

    def row(self, token: Token, tokens: Iterator[Token]) -> list[Node]:
        cells = self.blocks(tokens, until="tr_close")
        # Only below the header can a row have more cells than the header gives columns.
        is_body = cells[0]["type"] == "tableCell"
        for text in self._surplus_cells(token, len(cells)) if is_body else ():
            separator = text_node(" | ")
            line = cells[-1]["content"][0]
            parsed = PARSER.parseInline(text)[0].children or []
            line["content"] = merged_text([*line["content"], separator, *inline_nodes(parsed)])
        return [{"type": "tableRow", "content": cells}]

    def header_cell(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        return [{"type": "tableHeader", "content": [paragraph(self._inline(tokens))]}]

    def cell(self, _token: Token, tokens: Iterator[Token]) -> list[Node]:
        return [{"type": "tableCell", "content": [paragraph(self._inline(tokens))]}]

    def _inline(self, tokens: Iterator[Token]) -> list[Node]:
        content = next(tokens).children or []
        next(tokens)
        return inline_nodes(content)

    def _surplus_cells(self, row: Token, columns: int) -> list[str]:
        """The cells of a row beyond the columns of its table, which the parser leaves out."""
        if row.map is None or row.map[0] >= len(self.lines):
            return []
        line = _QUOTE_MARKERS.sub("", self.lines[row.map[0]]).strip()
        if line.removeprefix("|").removesuffix("|").count("|") < columns:
            return []
        cells = escapedSplit(line)
        if cells and not cells[0]:
            cells.pop(0)
        if cells and not cells[-1]:
            cells.pop()
        return [cell.strip() for cell in cells[columns:] if cell.strip()]


_READERS: Mapping[str, Callable[[_Reader, Token, Iterator[Token]], list[Node]]] = {
    "paragraph_open": _Reader.paragraph,
    "heading_open": _Reader.heading,
    "fence": _Reader.code,
    "code_block": _Reader.code,
    "hr": _Reader.rule,
    "blockquote_open": _Reader.quote,
    "bullet_list_open": _Reader.bullets,
    "ordered_list_open": _Reader.numbers,
    "list_item_open": _Reader.item,
    "table_open": _Reader.table,
    "tr_open": _Reader.row,
    "th_open": _Reader.header_cell,
    "td_open": _Reader.cell,
}


def _without_marker(line: Sequence[Node]) -> list[Node]:
    opening, *rest = line
    shortened = {**opening, "text": _TASK_MARKER_ONLY.sub("", opening["text"], count=1)}
    return merged_text([shortened, *rest])


def _is_task(item: Node) -> bool:
    """Whether an item is one task, with nothing but lists of tasks below it."""
    return _MARKER in item and all(block["type"] == "taskList" for block in item["content"][1:])


def _task_list(items: Sequence[Node]) -> Node:
    content: list[Node] = []
    for item in items:
        first, *nested = item["content"]
        state = "TODO" if item[_MARKER] == " " else "DONE"
        attributes = {"localId": "", "state": state}
        content.append({"type": "taskItem", "attrs": attributes, "content": first["content"]})
        content.extend(nested)
    return {"type": "taskList", "attrs": {"localId": ""}, "content": content}


def _with_box(item: Node) -> Node:
    """The item with its task marker, if it has one, drawn as a box."""
    if _MARKER not in item:
        return item
    first, *rest = item["content"]
    line = merged_text([text_node(_BOXES[item[_MARKER]]), *first["content"]])
    return {"type": "listItem", "content": [paragraph(line), *rest]}


def _number_tasks(content: Sequence[Node]) -> None:
    """Give every task and task list an id of its own, in the order of the document."""
    pending = list(reversed(content))
    seen = 0
    while pending:
        node = pending.pop()
        if node["type"] in {"taskList", "taskItem"}:
            seen += 1
            node["attrs"]["localId"] = f"task-{seen}"
        if node["type"] in _TASK_HOLDERS:
            pending.extend(reversed(node["content"]))
