"""Turns an Atlassian document back into Markdown: for a description that was edited in Jira."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ticketgen_adf_validation.escaping import line_escaped
from ticketgen_adf_validation.spelling import Mark, Span, spelled
from ticketgen_adf_validation.wording import attribute, children_of, inline_lines, whole_text

__all__ = ["adf_to_markdown"]

_DEEPEST = 100
"""Blocks nested deeper are written as the words in them."""
_MOST_COLUMNS = 100
"""That a cell is taken to span; Jira itself ends far below."""
_MOST_NUMBER = 999_999_999
"""Of an item of a list; a longer one is no number to Markdown."""
_BULLETS = "-*+"
_DELIMITERS = ".)"
_INLINE = frozenset(
    {
        "text", "hardBreak", "mention", "emoji", "date", "status", "placeholder", "inlineCard",
        "mediaInline", "inlineExtension",
    }
)  # fmt: skip
_FENCE_RUNS = re.compile(r"`+|~+")
_SPACES = re.compile(r"\s+")


def adf_to_markdown(document: object) -> str:
    """Promise Markdown with every word of the document.

    `document` is parsed JSON of any shape, valid or not; this never raises on it. Markdown that
    `markdown_to_adf` has read becomes Markdown that it reads as the same document, but for the
    `localId`s of tasks. What Markdown has no sign for keeps its words: a panel is a quote, an
    expand a strong line and its content, a layout its columns one after the other; a status is
    strong, a mention and an emoji are their text, a date is written `2026-03-02`, media and cards
    are links, and an extension is its name in brackets. In a cell of a table everything is one
    line. Colours, sizes, alignment, underlines and merged cells are left out.
    """
    lines = _joined(_blocks(_held(document), 0))
    return "\n".join(lines) + "\n" if lines else ""


@dataclass(frozen=True, kw_only=True)
class _Block:
    lines: Sequence[str]
    kind: str = ""
    marker: str = ""
    """Of a list, the sign it uses: the next one beside it needs another."""
    is_tight: bool = False
    """Of a list, whether it may follow a paragraph without an empty line between."""


def _joined(blocks: Sequence[_Block], *, in_item: bool = False) -> list[str]:
    lines: list[str] = []
    for number, block in enumerate(blocks):
        is_tight = in_item and block.is_tight and blocks[number - 1].kind == "paragraph"
        if number and not is_tight:
            lines.append("")
        lines += block.lines
    return lines


def _blocks(nodes: Sequence[Any], depth: int, *, avoided: str = "") -> list[_Block]:
    """The blocks that say anything; a list that comes first does not use the `avoided` sign."""
    if depth > _DEEPEST:
        return _paragraph(nodes)
    blocks: list[_Block] = []
    line: list[Any] = []
    for node in nodes:
        if _is_inline(node):
            line.append(node)
            continue
        blocks += _paragraph(line)
        line = []
        if isinstance(node, Mapping):
            taken = blocks[-1].marker if blocks else avoided
            blocks += _block(node, depth, taken)
    return blocks + _paragraph(line)


def _is_inline(node: object) -> bool:
    if not isinstance(node, Mapping):
        return isinstance(node, str)
    kind = node.get("type")
    if isinstance(kind, str) and (kind in _INLINE or kind in _WRITERS):
        return kind in _INLINE
    return isinstance(node.get("text"), str)


def _held(node: object) -> list[Any]:
    """What a node holds; a text in a node that should have none is held, too."""
    own = node.get("text") if isinstance(node, Mapping) else None
    return [*([own] if isinstance(own, str) else []), *children_of(node)]


def _in_item(item: object) -> list[Any]:
    """What an item of a list holds: itself, where something else stands in its place."""
    kind = item.get("type") if isinstance(item, Mapping) else None
    is_block = isinstance(kind, str) and kind in _WRITERS
    return [item] if is_block or _is_inline(item) else _held(item)


def _block(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    kind = node.get("type")
    write = _WRITERS.get(kind) if isinstance(kind, str) else None
    return _inside(node, depth, taken) if write is None else write(node, depth, taken)


def _inside(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    """What a node holds, as if it stood there itself."""
    return _blocks(_held(node), depth + 1, avoided=taken)


def _paragraph(nodes: Sequence[Any]) -> list[_Block]:
    lines = _full_lines(nodes)
    if not lines:
        return []
    return [_Block(lines=_broken([line_escaped(line) for line in lines]), kind="paragraph")]


def _full_lines(nodes: Iterable[object]) -> list[str]:
    """The lines as Markdown, without empty ones at the end."""
    lines = [spelled(line) for line in inline_lines(nodes)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _broken(lines: Sequence[str]) -> list[str]:
    return [*(f"{line}\\" for line in lines[:-1]), *lines[-1:]]


def _one_line(nodes: Iterable[object]) -> str:
    lines = [line for line in inline_lines(nodes) if line]
    return spelled([span for line in lines for span in (*line, Span(" "))][:-1])


def _as_paragraph(node: Mapping[str, Any], _depth: int, _taken: str) -> list[_Block]:
    return _paragraph([node])


def _heading(node: Mapping[str, Any], _depth: int, _taken: str) -> list[_Block]:
    level = _whole(node, "level", least=1, most=6)
    lines = _full_lines(_held(node))
    if len(lines) > 1 and level <= len("=-"):
        # Only a heading that is underlined may have breaks in it.
        text = _broken([line_escaped(line) for line in lines])
        # Below a bar, more than one dash would be the rule of a table.
        return [_Block(lines=[*text, "=-"[level - 1] * (1 if "|" in lines[-1] else 3)])]
    line = _one_line(_held(node))
    if line.endswith("#"):
        line = f"{line[:-1]}\\#"
    return [_Block(lines=[f"{'#' * level} {line}".rstrip()])]


def _code(node: Mapping[str, Any], _depth: int, _taken: str) -> list[_Block]:
    language = _SPACES.sub("-", attribute(node, "language").strip())
    text = whole_text(_held(node))
    sign = "~" if "`" in language else "`"
    runs = [len(run) for run in _FENCE_RUNS.findall(text) if run[0] == sign]
    fence = sign * max(3, *(length + 1 for length in (*runs, 0)))
    gap = " " if language[:1] in {"`", "~"} else ""
    lines = text.split("\n") if text else []
    return [_Block(lines=[f"{fence}{gap}{language}".rstrip(), *lines, fence])]


def _rule(_node: Mapping[str, Any], depth: int, _taken: str) -> list[_Block]:
    # In a list, dashes behind a dash would be one rule.
    return [_Block(lines=["___" if depth else "---"])]


def _quote(node: Mapping[str, Any], depth: int, _taken: str) -> list[_Block]:
    inside = _joined(_inside(node, depth, "")) or [""]
    return [_Block(lines=[f"> {line}" if line else ">" for line in inside])]


def _titled(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    title = Span(_SPACES.sub(" ", attribute(node, "title")), (Mark("strong"),))
    line = line_escaped(spelled([title]))
    opening = [_Block(lines=[line], kind="paragraph")] if line else []
    return [*opening, *_blocks(_held(node), depth + 1, avoided="" if line else taken)]


def _table(node: Mapping[str, Any], _depth: int, _taken: str) -> list[_Block]:
    rows = [_row(row) for row in _held(node) if _held(row)]
    if not rows:
        return []
    width = max(len(row) for row in rows)
    first, *rest = ([*row, *[""] * (width - len(row))] for row in rows)
    return [_Block(lines=[_row_line(row) for row in (first, ["---"] * width, *rest)])]


def _row(row: object) -> list[str]:
    cells: list[str] = []
    for cell in _held(row):
        cells.append(_one_line([cell]).replace("|", "\\|"))
        if isinstance(cell, Mapping):
            cells += [""] * (_whole(cell, "colspan", least=1, most=_MOST_COLUMNS) - 1)
    return cells


def _row_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _bullets(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    sign = next(sign for sign in _BULLETS if sign != taken)
    items = [_item(sign, _blocks(_in_item(item), depth + 1, avoided=sign)) for item in _held(node)]
    return _list(items, sign, follows=True)


def _numbers(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    sign = next(sign for sign in _DELIMITERS if sign != taken)
    first = _whole(node, "order", least=0, most=_MOST_NUMBER, usual=1)
    items = [
        _item(f"{min(number, _MOST_NUMBER)}{sign}", _blocks(_in_item(item), depth + 1))
        for number, item in enumerate(_held(node), first)
    ]
    return _list(items, sign, follows=first == 1)


def _tasks(node: Mapping[str, Any], depth: int, taken: str) -> list[_Block]:
    """A list of tasks below a task is the child of the list, and in Markdown of the task."""
    sign = next(sign for sign in _BULLETS if sign != taken)
    items: list[list[_Block]] = []
    boxes: list[str] = []
    for child in _held(node):
        is_list = isinstance(child, Mapping) and child.get("type") == "taskList"
        if is_list and items:
            beside = items[-1][-1].marker if items[-1] else ""
            items[-1] += _blocks([child], depth + 1, avoided=beside)
            continue
        is_done = isinstance(child, Mapping) and attribute(child, "state") == "DONE"
        boxes.append("" if is_list else f" [{'x' if is_done else ' '}]")
        items.append(_blocks([child] if is_list else _in_item(child), depth + 1, avoided=sign))
    written = [_item(sign, item, box=box) for item, box in zip(items, boxes, strict=True)]
    return _list(written, sign, follows=True)


@dataclass(frozen=True, kw_only=True)
class _Item:
    lines: Sequence[str]
    is_empty: bool
    is_loose: bool


def _item(marker: str, blocks: Sequence[_Block], *, box: str = "") -> _Item:
    inside = _joined(blocks, in_item=True)
    indent = " " * (len(marker) + 1)
    first, *rest = inside or [""]
    lines = [f"{marker}{box} {first}".rstrip(), *(line and indent + line for line in rest)]
    return _Item(lines=lines, is_empty=not inside and not box, is_loose="" in inside)


def _list(items: Sequence[_Item], sign: str, *, follows: bool) -> list[_Block]:
    if not items:
        return []
    lines: list[str] = []
    is_loose = any(item.is_loose for item in items)
    for number, item in enumerate(items):
        if number and is_loose:
            lines.append("")
        lines += item.lines
    # An empty item below a paragraph would underline it.
    is_tight = follows and not is_loose and not items[0].is_empty
    return [_Block(lines=lines, marker=sign, is_tight=is_tight)]


def _whole(
    node: Mapping[str, Any], name: str, *, least: int, most: int, usual: int | None = None
) -> int:
    attributes = node.get("attrs")
    value = attributes.get(name) if isinstance(attributes, Mapping) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return int(value)
    return least if usual is None else usual


_WRITERS: Mapping[str, Callable[[Mapping[str, Any], int, str], list[_Block]]] = {
    "paragraph": _as_paragraph,
    "caption": _as_paragraph,
    "heading": _heading,
    "codeBlock": _code,
    "rule": _rule,
    "blockquote": _quote,
    "panel": _quote,
    "expand": _titled,
    "nestedExpand": _titled,
    "table": _table,
    "bulletList": _bullets,
    "decisionList": _bullets,
    "orderedList": _numbers,
    "taskList": _tasks,
    "media": _as_paragraph,
    "blockCard": _as_paragraph,
    "embedCard": _as_paragraph,
    "extension": _as_paragraph,
    "syncBlock": _as_paragraph,
}
