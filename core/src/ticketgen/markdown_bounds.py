"""How many characters a Markdown text can cost in Jira at most, whatever a parser makes of it.

Jira counts the words of a document and the signs of its formatting (see `stored_length` in the
plugin adf_validation). That takes a parser, and this does not have one: it counts what each sign
could mean at worst. The bound is close for plain text and tables, and far too high for a text
that is nothing but signs. It holds for parts as well: the bounds of texts that blank lines keep
apart add up to the bound of the whole.
"""

from __future__ import annotations

import re

__all__ = ["is_table_rule", "lines_of", "most_characters"]

_LINE_END = re.compile(r"\r\n?|\n")
_ESCAPE = re.compile(r"\\[!-/:-@\[-`{-~]")
_SPLITTING = re.compile(r"\*+|~+|`+|!?\[|[\]<\n@]|//|mailto:|(?<![^\W_])_+|_+(?![^\W_])")
"""Where one text may end and another with other marks begin."""
_LINK = re.compile(r"@|//|mailto:|<|\]\(")
_EXPLICIT_LINK = re.compile(r"\]\(")
_BRACKETED_ADDRESS = re.compile(r"\]\(\s*<")
_OPENING = re.compile(r"[ \t>*+\-#=.)\d`~]*")
"""What may open blocks at the start of a line."""
_TABLE_RULE = re.compile(r"[ \t>]*[|:\-][|:\- \t>]*")

_LINE = 1 + 2 + 1
"""A paragraph, a forced break, the line break itself."""
_QUOTE, _ITEM, _HEADING, _CODE, _CELL = 17, 5, 5, 14, 3
_LINK_SIGNS, _ADDED_SCHEME = 3, 8


def most_characters(markdown: str) -> int:
    """Promise a number that the stored length of the text's document does not exceed."""
    total = 0
    part: list[str] = []
    for line in [*lines_of(markdown), ""]:
        if line.strip(" \t"):
            part.append(line)
            continue
        total += _part(part) if part else 0
        total += 1
        part = []
    return total


def lines_of(text: str) -> list[str]:
    """Promise the lines as Markdown counts them: ended by LF, CR or CRLF and by nothing else."""
    return _LINE_END.split(text)


def is_table_rule(line: str) -> bool:
    """Promise whether a line can be the one below the header of a table."""
    return "-" in line and _TABLE_RULE.fullmatch(line) is not None


def _part(lines: list[str]) -> int:
    """The bound of lines that no blank line parts."""
    return sum(_units(line) for line in lines) + _blocks(lines) + _inline("\n".join(lines))


def _blocks(lines: list[str]) -> int:
    total = columns = 0
    for line in lines:
        if is_table_rule(line):
            columns = max(columns, line.count("|") + 1)
            # The header, which is the line before, or a short one that a parser fills up.
            total += (columns + 1) * _CELL
        total += (columns + 1) * _CELL if columns else 0
        total += _line(line)
    return total


def _line(line: str) -> int:
    opening = _OPENING.match(line)
    signs = opening[0] if opening else ""
    total = _LINE + 4 * line.count("\t") + _CELL * line.count("|")
    if not signs:
        return total
    total += _QUOTE * signs.count(">")
    total += _ITEM * sum(map(signs.count, "-+*.)"))
    total += _HEADING if "#" in signs or "=" in signs or "-" in signs or "*" in signs else 0
    is_code = "    " in signs or "\t" in signs or "```" in signs or "~~~" in signs
    return total + (_CODE if is_code else 0)


def _inline(text: str) -> int:
    plain = _ESCAPE.sub("xx", text)
    if "`" in plain:
        # In code a backslash is none, so what follows it may well mean something.
        plain = text
    texts = 1 + len(_SPLITTING.findall(plain))
    marks = 4 + (2 if "~" in plain else 0) + (4 if "`" in plain else 0)
    total = texts * marks
    links = len(_LINK.findall(plain))
    if links:
        total += 3 * _encoded(plain) + links * (_LINK_SIGNS + _ADDED_SCHEME)
    if _EXPLICIT_LINK.search(plain):
        total += texts * (_LINK_SIGNS + _ADDED_SCHEME + _longest_address(plain))
    return total


def _longest_address(text: str) -> int:
    words = text.split("\n") if _BRACKETED_ADDRESS.search(text) else text.split()
    return max(map(_encoded, words), default=0)


def _encoded(text: str) -> int:
    """The characters an address takes when everything in it has to be encoded."""
    if text.isascii() and text.isalnum():
        return len(text)
    return sum(_encoded_sign(sign) for sign in text)


def _encoded_sign(sign: str) -> int:
    if not sign.isascii():
        return 12
    return 1 if sign.isalnum() or sign in "/:.-_~?=&#" else 3


def _units(text: str) -> int:
    """The length in UTF-16 units, in which a character beyond the basic plane counts twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
