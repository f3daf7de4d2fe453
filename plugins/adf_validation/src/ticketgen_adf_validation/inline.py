"""What a line of Markdown becomes in the Atlassian Document Format: texts, marks and breaks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ticketgen_adf_validation.lowering import Node, merged_text, text_node

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["inline_nodes", "is_safe_link"]

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)
_MARK_OF = {"strong_open": "strong", "em_open": "em", "s_open": "strike"}
_CODE_COMPANIONS = frozenset({"link"})
_LINE_BREAK = re.compile(r"[\r\n]")
_AUTOMATIC = frozenset({"linkify", "autolink"})


def is_safe_link(href: str) -> bool:
    """Promise whether a link leads to the web or to a mailbox, and nowhere else."""
    return _SAFE_LINK.match(href) is not None


def inline_nodes(tokens: Sequence[Token]) -> list[Node]:
    """Promise the inline content of one block.

    It has no empty text, no two texts with equal marks, no line break in a text, and no hard break
    at its end.

    Links other than http, https and mailto stay text with their address beside them in brackets,
    and so do images inside links; any other image becomes a link on its description, since a media
    node needs an uploaded file.
    """
    line = _Line()
    for token in tokens:
        line.add(token)
    nodes = merged_text(line.nodes)
    while nodes and nodes[-1]["type"] == "hardBreak":
        nodes.pop()
    return nodes


class _Line:
    """A line in the making: the nodes so far, and the marks that are open."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._open: list[Mapping[str, Any] | None] = []
        self._address = ""
        self._begin = 0

    def add(self, token: Token) -> None:
        kind = token.type
        if kind == "text":
            self._write(token.content)
        elif kind == "link_open":
            self._open_link(token)
        elif kind in _MARK_OF:
            self._open.append({"type": _MARK_OF[kind]})
        elif kind == "link_close":
            self._close_link()
        elif kind.endswith("_close"):
            self._open.pop()
        elif kind == "code_inline":
            self._write(token.content, code=True)
        elif kind == "image":
            self._add_image(token)
        elif kind == "hardbreak":
            self.nodes.append({"type": "hardBreak"})
        else:
            self._write(" " if kind == "softbreak" else token.content)

    def _write(self, text: str, *, code: bool = False) -> None:
        if "\n" in text or "\r" in text:
            # Only a character reference brings one here; it is white space, as any other is.
            text = _LINE_BREAK.sub(" ", text)
        self.nodes.append(text_node(text, _wearable(self._open, code=code)))

    def _open_link(self, token: Token) -> None:
        href = str(token.attrs.get("href", ""))
        self._begin = len(self.nodes)
        if is_safe_link(href):
            self._open.append(_link_mark(href, token.attrs.get("title")))
            self._address = href
            return
        self._open.append(None)
        spelled = "" if token.markup in _AUTOMATIC else _spelled(token, href)
        self._address = f" ({spelled})" if spelled else ""

    def _close_link(self) -> None:
        is_link = self._open[-1] is not None
        is_blank = not any(node.get("text") for node in self.nodes[self._begin :])
        if is_link and is_blank:
            # A link on nothing could not be seen, let alone followed.
            self._write(self._address)
        self._open.pop()
        if not is_link and self._address:
            self._write(self._address)

    def _add_image(self, token: Token) -> None:
        source = str(token.attrs.get("src", ""))
        description = _plain_text(token.children or ())
        inside_link = any(mark is not None and mark["type"] == "link" for mark in self._open)
        if is_safe_link(source) and not inside_link:
            self._open.append(_link_mark(source, token.attrs.get("title")))
            self._write(description or source)
            self._open.pop()
            return
        self._write(description)
        if source:
            self._write(f" ({_spelled(token, source)})")


def _spelled(token: Token, address: str) -> str:
    """The address with its title, for people to read."""
    title = str(token.attrs.get("title") or "")
    return f"{address} “{title}”" if title else address


def _link_mark(href: str, title: object) -> dict[str, Any]:
    attributes = {"href": href, "title": str(title)} if title else {"href": href}
    return {"type": "link", "attrs": attributes}


def _wearable(open_marks: Sequence[Mapping[str, Any] | None], *, code: bool) -> list[Any]:
    """The open marks a text may wear together: one of a kind, and only a link beside code."""
    if not open_marks:
        return [{"type": "code"}] if code else []
    worn = {mark["type"]: mark for mark in open_marks if mark is not None}
    if not code:
        return list(worn.values())
    return [mark for kind, mark in worn.items() if kind in _CODE_COMPANIONS] + [{"type": "code"}]


def _plain_text(tokens: Iterable[Token]) -> str:
    """The words of an image's description, which may hold marks, links and images itself."""
    parts: list[str] = []
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif token.type == "image":
            parts.append(f"{_plain_text(token.children or ())} ({token.attrs.get('src', '')})")
        elif token.type == "link_open" and token.markup not in _AUTOMATIC:
            parts.append(f"({token.attrs.get('href', '')}) ")
        else:
            parts.append(token.content)
    return "".join(parts)
