"""What Jira refuses although Atlassian's schema allows it: a check like those of other plugins.

These rules look only at what has the expected shape and leave the rest to the grammar, so that both
can run over the same broken document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.grammar import NODES
from ticketgen_adf_validation.inline import is_safe_link
from ticketgen_adf_validation.walking import Placed, placed_nodes

__all__ = ["JIRA_RULES", "LONGEST_DESCRIPTION", "jira_findings", "stored_length"]

LONGEST_DESCRIPTION = 32_767
"""Characters Jira stores of a description; a longer one costs an issue number and is refused."""

_TELLING = frozenset(
    kind
    for kind, rule in NODES.items()
    if rule.attributes_required and rule.children is None and not rule.positions
)
"""Nodes that say something without text: media, cards, mentions, dates …"""
_MARK_COST: Mapping[str, int] = {"code": 4, "link": 3, "textColor": 22, "backgroundColor": 22}
_OTHER_MARK_COST = 2
_NODE_COST: Mapping[str, int] = {
    "paragraph": 1,
    "heading": 5,
    "listItem": 3,
    "taskItem": 3,
    "codeBlock": 14,
    "blockquote": 16,
    "panel": 16,
    "expand": 16,
    "rule": 5,
    "hardBreak": 2,
    "tableRow": 2,
    "tableCell": 1,
    "tableHeader": 2,
}
_CARRIERS = frozenset({"inlineCard", "blockCard", "embedCard", "media"})


def jira_findings(document: object) -> tuple[Finding, ...]:
    """Promise the problems of length, emptiness, tables, ids and links, in that order.

    `document` is parsed JSON of any shape; what is no object has none of these problems. The limit
    of 32,767 characters is counted as `stored_length` describes.
    """
    if not isinstance(document, Mapping):
        return ()
    nodes = list(placed_nodes(document))
    return (
        *_length(nodes),
        *_emptiness(nodes),
        *_ragged_tables(nodes),
        *_repeated_ids(nodes),
        *_unsafe_links(nodes),
    )


def stored_length(document: Mapping[str, Any]) -> int:
    """Promise how many characters Jira would store for the document, by a close estimate.

    Atlassian does not say what it counts. Descriptions that fit as plain text are refused when the
    signs of their formatting push them over the limit, so it is taken to be the text with its wiki
    markup, and not the JSON, of which an ordinary table has several times as much. This counts
    every text and every link address in UTF-16 units (a character beyond the basic plane counts
    twice) and the signs that each mark and each block needs; it leaves out escapes, so a
    description that comes close should be cut well before the limit.
    """
    return _stored_length(list(placed_nodes(document)))


def _stored_length(nodes: list[Placed]) -> int:
    return sum(_own_length(node) for node, _path in nodes)


def _own_length(node: Mapping[str, Any]) -> int:
    length = _NODE_COST.get(str(node.get("type")), 0)
    if "text" in node:
        length += _units(node["text"])
    if "marks" in node:
        length += sum(_mark_length(mark) for mark in _objects(node["marks"]))
    return length + _units(_attribute(node, "url"))


def _mark_length(mark: Mapping[str, Any]) -> int:
    return _MARK_COST.get(str(mark.get("type")), _OTHER_MARK_COST) + _units(
        _attribute(mark, "href")
    )


def _units(text: object) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _objects(values: object) -> list[dict[str, Any]]:
    return (
        [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
    )


def _attribute(node: Mapping[str, Any], name: str) -> object:
    attributes = node.get("attrs")
    return attributes.get(name) if isinstance(attributes, dict) else None


def _problem(rule: str, path: str, message: str, remedy: str, value: str | None = None) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        rule=f"adf_validation.{rule}",
        message=message,
        remedy=remedy,
        path=path,
        value=value,
    )


def _length(nodes: list[Placed]) -> Iterator[Finding]:
    length = _stored_length(nodes)
    if length > LONGEST_DESCRIPTION:
        message = f"The description has {length} characters; Jira takes {LONGEST_DESCRIPTION}."
        remedy = "Shorten the description, or move a long table or listing into an attachment."
        yield _problem("too_long", "", message, remedy, str(length))


def _emptiness(nodes: list[Placed]) -> Iterator[Finding]:
    for node, _path in nodes:
        text = node.get("text")
        if isinstance(text, str) and text.strip():
            return
        if str(node.get("type")) in _TELLING:
            return
    yield _problem(
        "empty_document",
        "",
        "The description says nothing.",
        "Write a description, or generate the ticket again.",
    )


def _ragged_tables(nodes: list[Placed]) -> Iterator[Finding]:
    for node, path in nodes:
        if node.get("type") != "table":
            continue
        widths = _row_widths(node)
        expected = widths[0] if widths else 0
        for number, width in enumerate(widths):
            if width != expected:
                yield _problem(
                    "ragged_table",
                    f"{path}/content/{number}",
                    f"Row {number + 1} of the table has {width} columns, the first {expected}.",
                    "Give every row of the table the same number of cells.",
                )


def _row_widths(table: Mapping[str, Any]) -> list[int]:
    """The columns each row covers, with cells that reach down from rows above."""
    widths: list[int] = []
    reaching: list[tuple[int, int]] = []
    for row in _objects(table.get("content")):
        cells = [(_span(cell, "colspan"), _span(cell, "rowspan")) for cell in _cells(row)]
        widths.append(
            sum(columns for columns, _ in cells) + sum(columns for columns, _ in reaching)
        )
        reaching = [(columns, rows - 1) for columns, rows in reaching + cells if rows > 1]
    return widths


def _cells(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _objects(row.get("content"))


def _span(cell: Mapping[str, Any], name: str) -> int:
    span = _attribute(cell, name)
    return max(1, span) if isinstance(span, int) and not isinstance(span, bool) else 1


def _repeated_ids(nodes: list[Placed]) -> Iterator[Finding]:
    first_seen: dict[str, str] = {}
    for node, path in nodes:
        local_id = _attribute(node, "localId")
        if not isinstance(local_id, str) or not local_id:
            continue
        earlier = first_seen.setdefault(local_id, path)
        if earlier != path:
            yield _problem(
                "duplicate_local_id",
                f"{path}/attrs/localId",
                f"The id is already used at {earlier or '/'}; Jira would confuse the two.",
                "Give one of the two nodes another localId.",
                local_id[:120],
            )


def _unsafe_links(nodes: list[Placed]) -> Iterator[Finding]:
    for node, path in nodes:
        for number, mark in enumerate(_objects(node.get("marks", ()))):
            if mark.get("type") == "link":
                yield from _unsafe(_attribute(mark, "href"), f"{path}/marks/{number}/attrs/href")
        if str(node.get("type")) in _CARRIERS:
            yield from _unsafe(_attribute(node, "url"), f"{path}/attrs/url")


def _unsafe(address: object, path: str) -> Iterator[Finding]:
    if isinstance(address, str) and not is_safe_link(address):
        yield _problem(
            "unsafe_link",
            path,
            "A link leads neither to the web (http, https) nor to a mailbox (mailto).",
            "Use an address that begins with https://, http:// or mailto:, or remove the link.",
            address[:120],
        )


JIRA_RULES = AdfCheck(
    name="jira_rules",
    summary="Length, emptiness, ragged tables, repeated ids and unsafe links.",
    check=jira_findings,
)
