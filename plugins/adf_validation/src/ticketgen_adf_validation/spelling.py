"""How a line of an Atlassian document is written in Markdown: its texts and what they wear.

A sign of emphasis only counts beside the right characters. A character that stands wrong for it is
written as a reference (`&#32;`), and so is white space that would be stripped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ticketgen_adf_validation.escaping import (
    code_span,
    destination,
    encoded,
    escaped,
    is_punctuation,
    is_space,
    quoted_title,
)

__all__ = ["Mark", "Span", "spelled"]

_SIGNS = {"strong": "**", "strike": "~~", "em": "*"}
_AUTOMATIC = re.compile(r"https?://[a-z0-9./_?=&#-]+")


class Mark(NamedTuple):
    """A mark that Markdown has a sign for; only a link has an address and a title."""

    kind: str
    address: str = ""
    title: str = ""


class Span(NamedTuple):
    """A text without line breaks and what it wears, outermost first; nothing of a kind twice."""

    text: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Piece:
    kind: Literal["text", "done", "open", "close"]
    source: str
    """The text as it is; Markdown that is done; or a sign of emphasis that opens or closes."""
    in_link: bool = False
    encode_first: bool = False
    encode_last: bool = False

    def edge(self, place: Literal[0, -1]) -> str:
        """The first or last character, as it will be written."""
        wanted = self.encode_last if place else self.encode_first
        is_lone = len(self.source) == 1 and (self.encode_first or self.encode_last)
        return "&;"[place] if self.kind == "text" and (wanted or is_lone) else self.source[place]

    def written(self) -> str:
        if self.kind != "text":
            return self.source
        text, first, last = self.source, "", ""
        if self.encode_first:
            first, text = encoded(text[0]), text[1:]
        if self.encode_last and text:
            text, last = text[:-1], encoded(text[-1])
        return first + escaped(text, in_link=self.in_link) + last


_LINE_EDGE = _Piece(kind="done", source=" ")


def spelled(spans: Iterable[Span]) -> str:
    """Promise one line of inline Markdown that is read as these texts and marks again."""
    merged = _merged(spans)
    if not merged:
        return ""
    pieces = _with_kept_edges(_pieces(merged))
    settled = _settled(pieces)
    while settled != pieces:
        pieces, settled = settled, _settled(settled)
    return "".join(
        # Before the bracket of a link it would make an image.
        f"{written[:-1]}\\!" if written.endswith("!") and after.source[:1] == "[" else written
        for written, after in zip(
            (piece.written() for piece in pieces), [*pieces[1:], _LINE_EDGE], strict=True
        )
    )


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for span in spans:
        if merged and merged[-1].marks == span.marks:
            merged[-1] = Span(merged[-1].text + span.text, span.marks)
        elif span.text:
            merged.append(span)
    return merged


def _pieces(spans: Sequence[Span]) -> list[_Piece]:
    has_strong = any(mark.kind == "strong" for span in spans for mark in span.marks)
    signs = {**_SIGNS, "em": "_"} if has_strong else _SIGNS
    pieces: list[_Piece] = []
    worn: list[Mark] = []
    for span, after in zip(spans, [*spans[1:], Span("")], strict=True):
        wanted = [mark for mark in span.marks if mark.kind != "code"]
        shared = _shared(worn, wanted)
        pieces += [_closing(mark, signs) for mark in reversed(worn[shared:])]
        worn = worn[:shared]
        if shared + 1 == len(wanted) and _is_automatic(span, after):
            pieces += [_Piece(kind="done", source=f"<{span.text}>")]
            continue
        pieces += [_opening(mark, signs) for mark in wanted[shared:]]
        worn = wanted
        pieces += [_content(span)]
    return pieces + [_closing(mark, signs) for mark in reversed(worn)]


def _shared(worn: Sequence[Mark], wanted: Sequence[Mark]) -> int:
    """How many of the marks that are open stay open."""
    count = 0
    while count < min(len(worn), len(wanted)) and worn[count] == wanted[count]:
        count += 1
    return count


def _is_automatic(span: Span, after: Span) -> bool:
    """Whether a link can be written as its bare address."""
    link = span.marks[-1]
    if link.kind != "link" or link.title or link in after.marks:
        return False
    return span.text == link.address and _AUTOMATIC.fullmatch(span.text) is not None


def _opening(mark: Mark, signs: dict[str, str]) -> _Piece:
    if mark.kind == "link":
        return _Piece(kind="done", source="[")
    return _Piece(kind="open", source=signs[mark.kind])


def _closing(mark: Mark, signs: dict[str, str]) -> _Piece:
    if mark.kind != "link":
        return _Piece(kind="close", source=signs[mark.kind])
    title = f" {quoted_title(mark.title)}" if mark.title else ""
    return _Piece(kind="done", source=f"]({destination(mark.address)}{title})")


def _content(span: Span) -> _Piece:
    kinds = {mark.kind for mark in span.marks}
    if "code" in kinds:
        return _Piece(kind="done", source=code_span(span.text))
    return _Piece(kind="text", source=span.text, in_link="link" in kinds)


def _with_kept_edges(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The pieces with the white space at both ends of the line as references."""
    kept = list(pieces)
    if kept and kept[0].kind == "text":
        text = kept[0].source
        begin = len(text) - len(text.lstrip())
        kept[:1] = _split(kept[0], begin)
    if kept and kept[-1].kind == "text":
        kept[-1:] = _split(kept[-1], len(kept[-1].source.rstrip()))
    return kept


def _split(piece: _Piece, place: int) -> list[_Piece]:
    """A text in two, of which the part that is white space is done."""
    parts = [piece.source[:place], piece.source[place:]]
    return [
        replace(piece, source=part) if part.strip() else _Piece(kind="done", source=encoded(part))
        for part in parts
        if part
    ]


def _settled(pieces: Sequence[_Piece]) -> list[_Piece]:
    """The pieces with more characters as references, until every sign counts as what it is."""
    settled = list(pieces)
    for index, piece in enumerate(pieces):
        if piece.kind not in {"open", "close"}:
            continue
        before = settled[index - 1] if index else _LINE_EDGE
        after = settled[index + 1] if index + 1 < len(pieces) else _LINE_EDGE
        inner, outer = after.edge(0), before.edge(-1)
        if piece.kind == "close":
            inner, outer = outer, inner
        outer_is_word = not (is_space(outer) or is_punctuation(outer))
        if is_space(inner):
            _encode(settled, index, inside=True)
        elif outer_is_word and (is_punctuation(inner) or piece.source == "_"):
            _encode(settled, index, inside=False)
    return settled


def _encode(pieces: list[_Piece], index: int, *, inside: bool) -> None:
    if inside is (pieces[index].kind == "open"):
        pieces[index + 1] = replace(pieces[index + 1], encode_first=True)
    else:
        pieces[index - 1] = replace(pieces[index - 1], encode_last=True)
