"""Text that Markdown shows character by character, however hostile it is."""

from __future__ import annotations

import re

__all__ = ["escape_cell", "escape_line"]

_ALWAYS = re.compile(r"[\\`*\[<|~]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=#|\w)")
_LINK_DOT = re.compile(r"\.(?=[^\W\d_])(?!csv\b)")
_LINK_AT = re.compile(r"@")
_LINK_SLASHES = re.compile(r"//")
_PLAIN = re.compile(r"[A-Za-z0-9 ,;()'!?+=-]*")
_BLOCK_START = re.compile(r"(?=[#>+=\-:])")
_ORDERED = re.compile(r"(\d{1,9})([.)])")
_LINE_BREAKS = re.compile("[\n\t\u2028\u2029]")


def escape_cell(text: str) -> str:
    """The text for a table cell, on one line: parsed, the cell holds exactly this text again.

    A line break inside becomes a numeric entity, as do spaces at either end, which the table
    syntax would drop; nothing in it turns into a link, emphasis, code, an entity or HTML.
    """
    inner = text.strip()
    if not inner:
        return _as_entities(text)
    start = text.index(inner)
    before, after = text[:start], text[start + len(inner) :]
    body = _LINE_BREAKS.sub(lambda found: _as_entities(found[0]), _escape_inline(inner))
    return f"{_as_entities(before)}{body}{_as_entities(after)}"


def escape_line(text: str) -> str:
    """The text as one line of prose, spaces collapsed, that starts no list, heading or quote."""
    line = " ".join(text.split())
    escaped = _escape_inline(line)
    ordered = _ORDERED.match(line)
    if ordered is not None:
        return f"{ordered[1]}\\{ordered[2]}{_escape_inline(line[ordered.end() :])}"
    return _BLOCK_START.sub(r"\\", escaped, count=1) if _BLOCK_START.match(escaped) else escaped


def _escape_inline(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    text = _ALWAYS.sub(lambda found: "\\" + found[0], text)
    text = _UNDERSCORE.sub(r"\\_", text)
    text = _ENTITY.sub(r"\\&", text)
    # What looks like an address would become a link whose text differs from the cell.
    text = _LINK_DOT.sub(r"\\.", text)
    text = _LINK_AT.sub(r"\\@", text)
    return _LINK_SLASHES.sub(r"\\/\\/", text)


def _as_entities(text: str) -> str:
    return "".join(f"&#{ord(character)};" for character in text)
