"""Seeded damage to ADF documents: what editors, models and hands do to them, and worse."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any

Node = dict[str, Any]
Mutation = Callable[[Node, random.Random], None]

KINDS = (
    "blockCard", "blockTaskItem", "blockquote", "bodiedExtension", "bodiedSyncBlock",
    "bulletList", "caption", "codeBlock", "date", "decisionItem", "decisionList", "doc",
    "embedCard", "emoji", "expand", "extension", "hardBreak", "heading", "inlineCard",
    "inlineExtension", "layoutColumn", "layoutSection", "listItem", "media", "mediaGroup",
    "mediaInline", "mediaSingle", "mention", "nestedExpand", "orderedList", "panel",
    "paragraph", "placeholder", "rule", "status", "syncBlock", "table", "tableCell",
    "tableHeader", "tableRow", "taskItem", "taskList", "text", "gadget",
)  # fmt: skip
MARKS: tuple[Any, ...] = (
    {"type": "strong"},
    {"type": "em"},
    {"type": "code"},
    {"type": "strike", "attrs": {}},
    {"type": "underline"},
    {"type": "subsup", "attrs": {"type": "sub"}},
    {"type": "subsup", "attrs": {"type": "mid"}},
    {"type": "link", "attrs": {"href": "https://a.example", "title": "t"}},
    {"type": "link"},
    {"type": "alignment", "attrs": {"align": "end"}},
    {"type": "indentation", "attrs": {"level": 2}},
    {"type": "indentation", "attrs": {"level": 7}},
    {"type": "fontSize", "attrs": {"fontSize": "small"}},
    {"type": "breakout", "attrs": {"mode": "wide"}},
    {"type": "textColor", "attrs": {"color": "#aabbcc"}},
    {"type": "textColor", "attrs": {"color": "red"}},
    {"type": "backgroundColor", "attrs": {"color": "#AABBCC\n"}},
    {"type": "border", "attrs": {"size": 2, "color": "#aabbccdd"}},
    {"type": "fragment", "attrs": {"localId": "f"}},
    {"type": "dataConsumer", "attrs": {"sources": ["s"]}},
    {"type": "dataConsumer", "attrs": {"sources": []}},
    {"type": "annotation", "attrs": {"id": "i", "annotationType": "inlineComment"}},
    {"type": "glow"},
    "strong",
    None,
)
VALUES: tuple[Any, ...] = (
    "", "x", "\n", 0, 1, 1.0, 1.5, 2, 7, 50, 101, -1, True, False, None, [], [1], ["x"], {},
    "wide", "center", "default", "file", "external", "TODO", "neutral", "#a1b2c3", "pixel",
    "percentage", "info", {"id": "i", "parameters": 1, "views": [{"type": "table"}]},
)  # fmt: skip
NAMES = (
    "localId", "level", "order", "language", "href", "url", "data", "layout", "width", "type",
    "id", "collection", "state", "text", "color", "panelType", "title", "colspan", "background",
    "datasource", "widthType", "alt", "extensionKey", "mode", "wrap", "displayMode", "gadget",
)  # fmt: skip


def rich_document() -> Node:
    """A document with every kind of node that the grammar knows."""
    words = [{"type": "text", "text": "words"}]
    line = {"type": "paragraph", "content": words}
    item = {"type": "listItem", "content": [line]}
    task = {"type": "taskItem", "attrs": {"localId": "t2", "state": "TODO"}, "content": words}
    block_task = {
        "type": "blockTaskItem",
        "attrs": {"localId": "t3", "state": "DONE"},
        "content": [line],
    }
    tasks = {"type": "taskList", "attrs": {"localId": "t1"}, "content": [task, block_task]}
    decision = {"type": "decisionItem", "attrs": {"localId": "d2", "state": "DECIDED"}}
    decisions = {"type": "decisionList", "attrs": {"localId": "d1"}, "content": [decision]}
    stored = {"type": "media", "attrs": {"type": "file", "id": "m", "collection": "c"}}
    distant = {"type": "media", "attrs": {"type": "external", "url": "https://a.example/i.png"}}
    caption = {"type": "caption", "content": words}
    single = {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [stored, caption]}
    wide = {
        "type": "mediaSingle",
        "attrs": {"layout": "wide", "width": 300, "widthType": "pixel"},
        "content": [distant],
    }
    extension = {"extensionKey": "k", "extensionType": "t"}
    cell = {"type": "tableCell", "attrs": {"colspan": 1, "colwidth": [100]}, "content": [line]}
    nested = {"type": "nestedExpand", "attrs": {"title": "n"}, "content": [line]}
    header = {"type": "tableHeader", "content": [nested]}
    table = {
        "type": "table",
        "attrs": {"layout": "default", "isNumberColumnEnabled": False},
        "content": [{"type": "tableRow", "content": [header, cell]}],
    }
    column = {"type": "layoutColumn", "attrs": {"width": 50}, "content": [line]}
    blocks: list[Any] = [
        {"type": "heading", "attrs": {"level": 1}, "content": words},
        _rich_line(),
        {"type": "bulletList", "content": [item]},
        {"type": "orderedList", "attrs": {"order": 2}, "content": [item]},
        {"type": "codeBlock", "attrs": {"language": "php"}, "content": words},
        {"type": "blockquote", "content": [line]},
        {"type": "panel", "attrs": {"panelType": "info"}, "content": [line]},
        {"type": "expand", "attrs": {"title": "more"}, "content": [line, nested]},
        {"type": "layoutSection", "content": [column, {**column, "content": [line, tasks]}]},
        {"type": "mediaGroup", "content": [stored]},
        {"type": "blockCard", "attrs": {"url": "https://a.example"}},
        {"type": "embedCard", "attrs": {"url": "https://a.example", "layout": "wide"}},
        {"type": "extension", "attrs": extension},
        {"type": "bodiedExtension", "attrs": extension, "content": [line]},
        {"type": "syncBlock", "attrs": {"resourceId": "r", "localId": "s"}},
        {
            "type": "bodiedSyncBlock",
            "attrs": {"resourceId": "r", "localId": "b"},
            "content": [line, {"type": "layoutSection", "content": [column, column]}],
        },
        {"type": "rule"},
        single,
        wide,
        decisions,
        table,
    ]
    return {"version": 1, "type": "doc", "content": copy.deepcopy(blocks)}


def _rich_line() -> Node:
    """A line with every kind of inline node."""
    extension = {"extensionKey": "k", "extensionType": "t"}
    return {
        "type": "paragraph",
        "marks": [{"type": "alignment", "attrs": {"align": "center"}}],
        "content": [
            {"type": "text", "text": "x", "marks": [{"type": "strong"}, {"type": "em"}]},
            {"type": "text", "text": "y", "marks": [{"type": "code"}]},
            {"type": "mention", "attrs": {"id": "u", "text": "@u"}},
            {"type": "emoji", "attrs": {"shortName": ":x:"}},
            {"type": "date", "attrs": {"timestamp": "1700000000000"}},
            {"type": "status", "attrs": {"text": "done", "color": "green"}},
            {"type": "placeholder", "attrs": {"text": "type"}},
            {"type": "inlineCard", "attrs": {"url": "https://a.example"}},
            {"type": "inlineExtension", "attrs": extension},
            {"type": "mediaInline", "attrs": {"id": "i", "collection": "c"}},
            {"type": "hardBreak"},
        ],
    }


def nodes_of(node: object) -> Iterator[Node]:
    """Every node of a document, however broken."""
    if isinstance(node, dict):
        yield node
        content = node.get("content")
        for child in content if isinstance(content, list) else ():
            yield from nodes_of(child)


def _pick(document: Node, rng: random.Random) -> Node:
    return rng.choice(list(nodes_of(document)))


def _parent(document: Node, rng: random.Random) -> list[Any]:
    contents = [
        node["content"]
        for node in nodes_of(document)
        if isinstance(node.get("content"), list) and node["content"]
    ]
    return rng.choice(contents) if contents else []


def delete_node(document: Node, rng: random.Random) -> None:
    content = _parent(document, rng)
    if content:
        content.pop(rng.randrange(len(content)))


def duplicate_node(document: Node, rng: random.Random) -> None:
    content = _parent(document, rng)
    if content:
        content.insert(rng.randrange(len(content) + 1), copy.deepcopy(rng.choice(content)))


def rename_node(document: Node, rng: random.Random) -> None:
    _pick(document, rng)["type"] = rng.choice([*KINDS, None, 7])


def move_node(document: Node, rng: random.Random) -> None:
    source = copy.deepcopy(_pick(document, rng))
    content = _parent(document, rng)
    content.insert(rng.randrange(len(content) + 1), source)


def place_junk(document: Node, rng: random.Random) -> None:
    content = _parent(document, rng)
    content.insert(0, rng.choice([None, "text", 1, [], {}, {"type": "text"}, {"type": []}]))


def drop_property(document: Node, rng: random.Random) -> None:
    node = _pick(document, rng)
    if node:
        node.pop(rng.choice(sorted(node)))


def set_property(document: Node, rng: random.Random) -> None:
    name = rng.choice(["attrs", "content", "marks", "text", "version", "gadget"])
    _pick(document, rng)[name] = copy.deepcopy(rng.choice(VALUES))


def alter_attribute(document: Node, rng: random.Random) -> None:
    node = _pick(document, rng)
    attributes = node.setdefault("attrs", {})
    if isinstance(attributes, dict):
        name = rng.choice([*attributes, *attributes, *attributes, rng.choice(NAMES)])
        attributes[name] = copy.deepcopy(rng.choice(VALUES))


def drop_attribute(document: Node, rng: random.Random) -> None:
    attributes = _pick(document, rng).get("attrs")
    if isinstance(attributes, dict) and attributes:
        attributes.pop(rng.choice(sorted(attributes)))


def wear_marks(document: Node, rng: random.Random) -> None:
    node = _pick(document, rng)
    marks = copy.deepcopy(rng.choices(MARKS, k=rng.choice([0, 1, 1, 2])))
    earlier = node.get("marks")
    node["marks"] = [*earlier, *marks] if isinstance(earlier, list) else marks


MUTATIONS: tuple[Mutation, ...] = (
    delete_node,
    duplicate_node,
    rename_node,
    move_node,
    place_junk,
    drop_property,
    set_property,
    alter_attribute,
    alter_attribute,
    drop_attribute,
    wear_marks,
    wear_marks,
)


def mutated(document: Node, seed: int) -> Node:
    """The document with one to three seeded mutations; the original stays as it is."""
    rng = random.Random(seed)
    damaged = copy.deepcopy(document)
    for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 1, 2, 3])):
        mutation(damaged, rng)
    return damaged
