"""How a text is written in Markdown so that it is read as this very text and as nothing else."""

from __future__ import annotations

import re
from string import punctuation

from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace

__all__ = [
    "code_span",
    "destination",
    "encoded",
    "escaped",
    "is_punctuation",
    "is_space",
    "line_escaped",
    "quoted_title",
]

_PUNCTUATION = re.escape(punctuation)
_SPECIAL = re.compile(
    rf"""
      [`*\[]                                # code, emphasis, links
    | \\ (?=[{_PUNCTUATION}]|$)             # a backslash that would escape what follows
    | (?<![^\W_]) _ | _ (?![^\W_])          # emphasis, unless inside a word
    | (?<=~) ~ | ~ (?=~) | ^~ | ~$          # deletions and fences
    | < (?=[A-Za-z/!?])                     # tags and automatic links
    | & (?=\#|[A-Za-z])                     # character references
    | (?<=\S) @ (?=\S)                      # addresses of mail
    | / (?=/) | (?<=/) /                    # addresses of the web
    """,
    re.VERBOSE,
)
_BLOCK_START = re.compile(
    r"""
      \#{1,6} (?=[ \t]|$)
    | >
    | [-+*] (?=[ \t]|$)
    | [-=|:] (?=[-=|:\ \t]*$)
    """,
    re.VERBOSE,
)
_NUMBER_START = re.compile(r"([0-9]{1,9})([.)])(?=[ \t]|$)")
_TICKS = re.compile("`+")
_PLAIN_DESTINATION = re.compile(r"[^\s<>()\\\x00-\x1f\x7f]+")
_REFERENCE = re.compile(r"&(?=#?\w+;)")
_BREAKS = re.compile(r"[\r\n]")


def is_space(character: str) -> bool:
    """Promise whether Markdown takes a character for white space beside a sign of emphasis."""
    return isWhiteSpace(ord(character))


def is_punctuation(character: str) -> bool:
    """Promise whether Markdown takes a character for punctuation beside a sign of emphasis."""
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


def encoded(text: str) -> str:
    """Promise the text as numeric character references, which nothing strips and nothing reads."""
    return "".join(f"&#{ord(character)};" for character in text)


def escaped(text: str, *, in_link: bool = False) -> str:
    """Promise a text without line breaks as inline Markdown; `line_escaped` makes a line of it."""
    source = _SPECIAL.sub(lambda found: "\\" + found[0], text)
    return source.replace("]", "\\]") if in_link else source


def line_escaped(line: str) -> str:
    """Promise a line of inline Markdown that opens no block and ends no paragraph before it."""
    if _BLOCK_START.match(line):
        return "\\" + line
    number = _NUMBER_START.match(line)
    return line if number is None else f"{number[1]}\\{line[number.end(1) :]}"


def code_span(text: str) -> str:
    """Promise a text as inline code; a line break in it is a space, as everywhere in Markdown."""
    text = _BREAKS.sub(" ", text)
    lengths = {len(run) for run in _TICKS.findall(text)}
    ticks = "`" * next(length for length in range(1, len(lengths) + 2) if length not in lengths)
    is_padded = text[0] == text[-1] == " " and text.strip(" ") != ""
    pad = " " if is_padded or "`" in {text[0], text[-1]} else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def destination(address: str) -> str:
    """Promise an address as the destination of a link."""
    address = _REFERENCE.sub("&amp;", address)
    if _PLAIN_DESTINATION.fullmatch(address):
        return address
    inside = re.sub(r"[\\<>]", lambda found: "\\" + found[0], address)
    return f"<{_BREAKS.sub(lambda found: f'%{ord(found[0]):02X}', inside)}>"


def quoted_title(title: str) -> str:
    """Promise a text as the title of a link."""
    inside = re.sub(r'[\\"]', lambda found: "\\" + found[0], _REFERENCE.sub("&amp;", title))
    return f'"{_BREAKS.sub(lambda found: encoded(found[0]), inside)}"'
