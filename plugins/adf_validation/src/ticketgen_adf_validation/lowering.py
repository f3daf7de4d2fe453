"""How a document keeps its words where the format forbids the block they stand in.

Markdown nests freely: a heading in a list, a table in a quote. The Atlassian Document Format does
not. `lower` rewrites every block that its container may not hold into blocks that it may, from the
same grammar the checker reads, and never drops a character of text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ticketgen_adf_validation.grammar import allowed_children

__all__ = ["Node", "lower", "merged_text", "paragraph", "text_node"]

Node = dict[str, Any]
"""One node of the document, as JSON."""

_STRONG = {"type": "strong"}
_OPENS_ITEM = frozenset({"paragraph", "codeBlock"})
_ROW_SEPARATOR = " | "
_RULE_TEXT = "———"
_BOXES = {"TODO": "☐ ", "DONE": "☑ "}


def text_node(text: str, marks: Sequence[Mapping[str, Any]] = ()) -> Node:
    """Promise a text node that carries the marks, if there are any."""
    if not marks:
        return {"type": "text", "text": text}
    worn = [dict(mark) for mark in marks]
    return {"type": "text", "text": text, "marks": worn}


def paragraph(content: Iterable[Node] = ()) -> Node:
    """Promise a paragraph with this inline content, which may be none."""
    return {"type": "paragraph", "content": list(content)}


def merged_text(nodes: Iterable[Node]) -> list[Node]:
    """Promise the same inline content without empty texts and without needless seams."""
    merged: list[Node] = []
    for node in nodes:
        if node["type"] == "text" and not node["text"]:
            continue
        last = merged[-1] if merged else None
        if last is not None and _are_one_text(last, node):
            merged[-1] = {**last, "text": last["text"] + node["text"]}
            continue
        merged.append(node)
    return merged


def _are_one_text(left: Node, right: Node) -> bool:
    return left["type"] == right["type"] == "text" and left.get("marks") == right.get("marks")


def lower(nodes: Iterable[Node], container: str) -> list[Node]:
    """Promise blocks that a node of type `container` may hold, with all text of `nodes`."""
    allowed = allowed_children(container)
    legal: list[Node] = []
    for node in nodes:
        kind = node["type"]
        if kind in allowed:
            legal.append(_with_legal_content(node))
        else:
            legal.extend(lower(_REPLACEMENTS[kind](node), container))
    return legal


def _with_legal_content(node: Node) -> Node:
    kind = node["type"]
    if kind in _INLINE_HOLDERS:
        return node
    content = lower(node.get("content", ()), kind)
    if kind == "listItem" and (not content or content[0]["type"] not in _OPENS_ITEM):
        # Jira's editor wants words, or at least their place, before a nested list.
        content.insert(0, paragraph())
    if kind in _NEVER_EMPTY and not content:
        content.append(paragraph())
    return {**node, "content": content} if "content" in node else node


_INLINE_HOLDERS = frozenset({"paragraph", "heading", "codeBlock", "taskItem", "rule"})
_NEVER_EMPTY = frozenset({"blockquote", "listItem", "tableCell", "tableHeader"})


def _heading_as_paragraph(node: Node) -> list[Node]:
    content = _emphasised(node["content"])
    return [paragraph(content)] if content else []


def _emphasised(nodes: Iterable[Node]) -> list[Node]:
    """The texts in strong type; code stays code, which may wear nothing else."""
    return merged_text(_strengthened(node) for node in nodes)


def _strengthened(node: Node) -> Node:
    marks = node.get("marks", [])
    worn = {mark["type"] for mark in marks}
    if node["type"] != "text" or worn & {"code", "strong"}:
        return node
    return {**node, "marks": [*marks, _STRONG]}


def _rule_as_paragraph(_node: Node) -> list[Node]:
    return [paragraph([text_node(_RULE_TEXT)])]


def _quote_as_content(node: Node) -> list[Node]:
    return list(node["content"])


def _table_as_paragraphs(node: Node) -> list[Node]:
    lines = [_row_as_line(row) for row in node["content"]]
    return [paragraph(line) for line in lines if line]


def _row_as_line(row: Node) -> list[Node]:
    line: list[Node] = []
    for number, cell in enumerate(row["content"]):
        if number:
            line.append(text_node(_ROW_SEPARATOR))
        inline = [child for block in cell["content"] for child in block["content"]]
        line.extend(_emphasised(inline) if cell["type"] == "tableHeader" else inline)
    return merged_text(line)


def _tasks_as_bullets(node: Node) -> list[Node]:
    items: list[Node] = []
    for child in node["content"]:
        if child["type"] == "taskList":
            items[-1]["content"].extend(_tasks_as_bullets(child))
            continue
        box = text_node(_BOXES[child["attrs"]["state"]])
        line = paragraph(merged_text([box, *child["content"]]))
        items.append({"type": "listItem", "content": [line]})
    return [{"type": "bulletList", "content": items}]


_REPLACEMENTS: Mapping[str, Callable[[Node], list[Node]]] = {
    "heading": _heading_as_paragraph,
    "rule": _rule_as_paragraph,
    "blockquote": _quote_as_content,
    "table": _table_as_paragraphs,
    "taskList": _tasks_as_bullets,
}
