"""What an inline node of an Atlassian document says in words, and what its texts wear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ticketgen_adf_validation.inline import is_safe_link
from ticketgen_adf_validation.spelling import Mark, Span

__all__ = ["attribute", "children_of", "inline_lines", "linked", "whole_text"]

_SHOWN = frozenset({"strong", "strike", "em", "code"})
_BREAK = re.compile(r"\r\n|[\r\n]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def children_of(node: object) -> list[Any]:
    """Promise what a node holds, as a list, whatever stands there."""
    content = node.get("content") if isinstance(node, Mapping) else node
    if isinstance(content, list):
        return content
    return [content] if isinstance(content, Mapping | str) else []


def attribute(node: Mapping[str, Any], name: str) -> str:
    """Promise an attribute as the text it is; empty if it is none."""
    attributes = node.get("attrs")
    value = attributes.get(name) if isinstance(attributes, Mapping) else None
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def linked(address: str) -> Span:
    """Promise an address as a link, or as text where it leads to neither web nor mailbox."""
    is_link = is_safe_link(address) and not re.search(r"\s", address)
    return Span(address, (Mark("link", address),) if is_link else ())


def inline_lines(nodes: Iterable[object]) -> list[list[Span]]:
    """Promise the texts of inline nodes, in one list for each line between hard breaks."""
    lines: list[list[Span]] = [[]]
    for span in _spans(nodes):
        if span is None:
            lines.append([])
        elif _BREAK.search(span.text):
            first, *rest = _BREAK.split(span.text)
            lines[-1].append(Span(first, span.marks))
            lines += [[Span(text, span.marks)] for text in rest]
        else:
            lines[-1].append(span)
    return lines


def whole_text(nodes: Iterable[object]) -> str:
    """Promise the words of inline nodes with line feeds for breaks, without what they wear."""
    return "\n".join("".join(span.text for span in line) for line in inline_lines(nodes))


def _spans(nodes: Iterable[object]) -> Iterator[Span | None]:
    """Depth first without recursion; None is a hard break."""
    waiting = list(nodes)[::-1]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield Span(_UNSTORABLE.sub("\ufffd", node))
        if not isinstance(node, Mapping):
            continue
        if node.get("type") == "hardBreak":
            yield None
        yield from _own_spans(node)
        inside = children_of(node)
        # Blocks where only a line has room are set apart by a space.
        apart = [" "] if inside and waiting else []
        waiting += [*apart, *inside[::-1]]


def _own_spans(node: Mapping[str, Any]) -> Iterator[Span]:
    kind = node.get("type")
    text = node.get("text")
    if isinstance(text, str) and text:
        yield from _text_spans(_UNSTORABLE.sub("\ufffd", text), node)
    say = _WORDS.get(kind) if isinstance(kind, str) else None
    if say is not None:
        yield from (span for span in say(node) if span.text)


def _text_spans(text: str, node: Mapping[str, Any]) -> Iterator[Span]:
    worn = node.get("marks")
    marks = [mark for mark in worn if isinstance(mark, Mapping)] if isinstance(worn, list) else []
    kept: dict[str, Mark] = {}
    address = ""
    for mark in marks:
        kind = mark.get("type")
        if kind in _SHOWN:
            kept[kind] = Mark(kind)
        elif kind == "link" and not address:
            address = attribute(mark, "href")
            if linked(address).marks:
                kept[kind] = Mark(kind, address, attribute(mark, "title"))
    if "code" in kept:
        kept = {kind: mark for kind, mark in kept.items() if kind == "link"} | {
            "code": Mark("code")
        }
    yield Span(text, tuple(kept.values()))
    if address and "link" not in kept:
        yield Span(f" ({address})")


def _date(node: Mapping[str, Any]) -> Iterator[Span]:
    stamp = attribute(node, "timestamp")
    try:
        day = _EPOCH + timedelta(milliseconds=int(stamp))
    except (ValueError, OverflowError):
        yield Span(stamp)
    else:
        yield Span(day.date().isoformat())


def _mention(node: Mapping[str, Any]) -> Iterator[Span]:
    yield Span(attribute(node, "text") or f"@{attribute(node, 'id')}")


def _emoji(node: Mapping[str, Any]) -> Iterator[Span]:
    yield Span(attribute(node, "text") or attribute(node, "shortName"))


def _status(node: Mapping[str, Any]) -> Iterator[Span]:
    yield Span(attribute(node, "text"), (Mark("strong"),))


def _title(node: Mapping[str, Any]) -> Iterator[Span]:
    title = attribute(node, "title")
    yield from (Span(title, (Mark("strong"),)), Span(" " if title else ""))


def _placeholder(node: Mapping[str, Any]) -> Iterator[Span]:
    yield Span(attribute(node, "text"))


def _card(node: Mapping[str, Any]) -> Iterator[Span]:
    address = attribute(node, "url")
    if address:
        yield linked(address)
        return
    attributes = node.get("attrs")
    linked_data = attributes.get("data") if isinstance(attributes, Mapping) else None
    words = linked_data.values() if isinstance(linked_data, Mapping) else ()
    yield Span(" ".join(_UNSTORABLE.sub("\ufffd", word) for word in words if isinstance(word, str)))


def _media(node: Mapping[str, Any]) -> Iterator[Span]:
    address = attribute(node, "url")
    if not linked(address).marks:
        yield Span(" ".join(filter(None, [_names_of(node), address])))
        return
    yield Span(attribute(node, "alt") or address, (Mark("link", address),))


def _made_elsewhere(node: Mapping[str, Any]) -> Iterator[Span]:
    yield Span(_names_of(node))


def _names_of(node: Mapping[str, Any]) -> str:
    """The words of a node that shows something made elsewhere: an extension, a file."""
    kind = node.get("type")
    names = ("text", "alt", "extensionKey", "resourceId", "id")
    words = [word for name in names if (word := attribute(node, name))]
    return f"[{' '.join([str(kind), *words[:1]])}]"


_WORDS = {
    "date": _date,
    "mention": _mention,
    "emoji": _emoji,
    "status": _status,
    "placeholder": _placeholder,
    "inlineCard": _card,
    "blockCard": _card,
    "embedCard": _card,
    "expand": _title,
    "nestedExpand": _title,
    "media": _media,
    "mediaInline": _media,
    "inlineExtension": _made_elsewhere,
    "extension": _made_elsewhere,
    "syncBlock": _made_elsewhere,
}
