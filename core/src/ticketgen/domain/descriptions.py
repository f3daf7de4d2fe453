"""What stands in the place of a description that is too long: a short form, and the whole attached.

A description is stored whole. Where it has to be short, in the document that is validated and
sent, `short_form_of` derives it, always the same from the same text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ticketgen.markdown_bounds import is_table_rule, lines_of, most_characters

__all__ = ["OVERSIZE", "ShortForm", "short_form_of"]

OVERSIZE = 30_000
"""A longer description becomes an attachment, with a short one in its place."""

_LONGEST_TEXT = 24_000
_LONGEST_STORED = 30_000
"""As Jira counts, which takes 32,767; its way of counting is not published, hence the distance."""
_MOST_SECTIONS = 40
_LEAST_SHARE = 0.02
"""Of the room there is; a section that would get less is left to the attachment."""
_SENTENCE_SHARE = 0.006
"""Kept free in every section for the sentence that says what is missing."""
_MOST_TRIES = 200
_NEAR = 0.8
"""Of the room for a text; a line that ends behind it is a better place to cut than a word."""
_LONGEST_NAME = 80

_SECTION = re.compile(r" {0,3}#{1,2}[ \t]+\S")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_SIGN = re.compile(r"\\[!-/:-@\[-`{-~]|(`+)")
_OPEN = re.compile(r"\[[^\]]{0,500}\Z|\]\([^)\s]*\Z|<[^>\s]*\Z")
"""A link that is not finished yet."""
_PAUSE = re.compile(r"(?<=[。！？])(?!\Z)|[ \t]+")
_LINE_END = re.compile(r"\n")
_UNFIT = re.compile(r"[^a-z0-9]+")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class ShortForm:
    """A description fit for Jira, and the file with the whole of it."""

    text: str
    """Markdown; it says that it is short, and names the file."""
    file_name: str
    """Plain ASCII without a folder; the same for the same key."""
    content: bytes
    """The whole description, Markdown in UTF-8."""


def short_form_of(description: str, *, key: str) -> ShortForm | None:
    """Promise the short form of a ticket's description; None if it is short enough as it is.

    Sections that are small stay whole, whatever they hold; the large ones share what room is
    left. What is cut is cut between rows, items or words, never inside a row, an escape, a link
    or code, and a sentence says what is missing. The text has at most 24,000 characters, and its
    document, as Jira counts, at most 30,000.
    """
    if len(description) <= OVERSIZE:
        return None
    whole = _UNSTORABLE.sub("\ufffd", description)
    name = _file_name(key)
    opening = (
        f"This is a short form. The whole description has {len(whole):,} characters and is in the "
        f"attached file `{name}`."
    )
    sections = _sections(whole)
    kept = _fitted(sections, 1 - _size(opening) - 2 * _SENTENCE_SHARE)
    parts = [opening, *(text for text in kept if text)]
    if left_out := sum(not text for text in kept):
        noun = "section is" if left_out == 1 else "sections are"
        parts.append(f"{left_out} more {noun} in the attached file only.")
    return ShortForm(text="\n\n".join(parts) + "\n", file_name=name, content=whole.encode())


def _file_name(key: str) -> str:
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    slug = _UNFIT.sub("-", plain.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    if plain != key or len(slug) < len(key.strip()):
        # Something of the key is lost, and with it what tells it from others.
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:6]
        slug = f"{slug}-{digest}" if slug else f"ticket-{digest}"
    return f"{slug or 'ticket'}.md"


def _size(text: str) -> float:
    """The share of the room that a text takes, by the narrower of both limits."""
    return max(len(text) / _LONGEST_TEXT, (most_characters(text) + 2) / _LONGEST_STORED)


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Lines that belong together."""

    lines: Sequence[str]
    kind: str
    """`table`, `code`, or `text` for anything else."""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def _sections(text: str) -> list[list[_Block]]:
    """The blocks by heading; what follows after many headings is all of the last section."""
    sections: list[list[_Block]] = [[]]
    for block in _blocks(text):
        opens = block.kind == "text" and _SECTION.match(block.lines[0])
        if opens and sections[-1] and len(sections) < _MOST_SECTIONS:
            sections.append([])
        sections[-1].append(block)
    return [section for section in sections if section]


def _blocks(text: str) -> Iterator[_Block]:
    waiting: list[str] = []
    fence = ""
    for line in lines_of(text):
        found = _FENCE.match(line)
        if fence:
            waiting.append(line)
            if found and found[1].startswith(fence) and not line[found.end() :].strip():
                yield _Block(lines=waiting, kind="code")
                waiting, fence = [], ""
        elif found or _HEADING.match(line) or not line.strip(" \t"):
            if waiting:
                yield _block(waiting)
            waiting, fence = [], found[1] if found else ""
            if found:
                waiting = [line]
            elif line.strip(" \t"):
                yield _Block(lines=[line], kind="text")
        else:
            waiting.append(line)
    if waiting:
        yield _Block(lines=[*waiting, fence], kind="code") if fence else _block(waiting)


def _block(lines: list[str]) -> _Block:
    is_table = len(lines) > 1 and "|" in lines[0] and is_table_rule(lines[1])
    return _Block(lines=lines, kind="table" if is_table else "text")


def _fitted(sections: Sequence[Sequence[_Block]], room: float) -> list[str]:
    """Each section as it fits: the small ones first, and what room they leave to the others."""
    texts = ["\n\n".join(block.text for block in section) for section in sections]
    sizes = [_size(text) for text in texts]
    kept = [""] * len(sections)
    smallest_first = sorted(range(len(sections)), key=sizes.__getitem__)
    for place, index in enumerate(smallest_first):
        share = room / (len(sections) - place)
        kept[index] = texts[index] if sizes[index] <= share else _cut(sections[index], share)
        room -= _size(kept[index]) if kept[index] else 0
    return kept


def _cut(section: Sequence[_Block], share: float) -> str:
    """As many blocks as there is room for, the last one in part; empty if that is nothing."""
    if share < _LEAST_SHARE:
        return ""
    room = share - _SENTENCE_SHARE
    parts: list[str] = []
    for block in section:
        size = _size(block.text)
        if size <= room:
            parts.append(block.text)
            room -= size
            continue
        begun, sentence = _CUTTERS[block.kind](block, room)
        parts += [begun, sentence] if begun else [sentence]
        return "\n\n".join(parts)
    return "\n\n".join(parts)


def _cut_table(block: _Block, room: float) -> tuple[str, str]:
    rows = len(block.lines) - 2
    count = _most(rows, lambda count: _size("\n".join(block.lines[: count + 2])) <= room)
    if not count:
        noun = "row" if rows == 1 else "rows"
        return "", f"A table with {rows:,} {noun} is in the attached file."
    rest = rows - count
    more = "row is" if rest == 1 else "rows are"
    sentence = f"The first {count:,} of {rows:,} rows; {rest:,} more {more} in the attached file."
    return "\n".join(block.lines[: count + 2]), sentence


def _cut_code(block: _Block, room: float) -> tuple[str, str]:
    def text(count: int) -> str:
        return "\n".join([*block.lines[: count + 1], block.lines[-1]])

    count = _most(len(block.lines) - 2, lambda count: _size(text(count)) <= room)
    if not count:
        return "", "A listing is in the attached file."
    return text(count), "The rest of this listing is in the attached file."


def _cut_text(block: _Block, room: float) -> tuple[str, str]:
    text = block.text
    most = _most(min(len(text), _LONGEST_TEXT), lambda count: _size(f"{text[:count]} …") <= room)
    sentence = "More of this is in the attached file."
    ends = [found.start() for found in _LINE_END.finditer(text, 0, most)]
    pauses = [found.start() for found in _PAUSE.finditer(text, 0, most)]
    if ends and ends[-1] > most * _NEAR:
        pauses = []
    spans = _code_spans(text, most)
    for place in sorted({*ends, *pauses}, reverse=True)[:_MOST_TRIES]:
        is_end = text[place] == "\n"
        if (
            text[:place].strip()
            and (is_end or not _in_row(text, place))
            and _is_free(text, place, spans)
        ):
            return text[:place].rstrip() + ("" if is_end else " …"), sentence
    return "", sentence


def _in_row(text: str, place: int) -> bool:
    """Whether the line around a place can be the row of a table."""
    begin, end = text.rfind("\n", 0, place) + 1, text.find("\n", place)
    return "|" in text[begin : end if end >= 0 else len(text)]


def _is_free(text: str, place: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether no escape, no link and no code reaches over a place in the text."""
    before = text[:place]
    in_code = any(begin < place < end for begin, end in spans)
    return not (in_code or before.endswith("\\") or _OPEN.search(before))


def _code_spans(text: str, end: int) -> list[tuple[int, int]]:
    """Where code begins and ends, of all that begins before `end`."""
    spans: list[tuple[int, int]] = []
    begin = 0
    while (opened := _opening(text, begin, end)) is not None:
        ticks = re.escape(opened[1])
        closing = re.compile(f"(?<!`){ticks}(?!`)").search(text, opened.end())
        begin = opened.end() if closing is None else closing.end()
        if closing is not None:
            spans.append((opened.start(), closing.end()))
    return spans


def _opening(text: str, begin: int, end: int) -> re.Match[str] | None:
    """The first run of backticks that no backslash takes the meaning from."""
    signs = (found for found in _SIGN.finditer(text, begin, end) if found[1])
    return next(signs, None)


def _most(upper: int, fits: Callable[[int], bool]) -> int:
    """The greatest number up to `upper` that fits, if all smaller ones do; 0 if none does."""
    low, high = 0, upper
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


_CUTTERS: dict[str, Callable[[_Block, float], tuple[str, str]]] = {
    "table": _cut_table,
    "code": _cut_code,
    "text": _cut_text,
}
