"""Which Markdown is read: GitHub's, and most lines of a ticket without a look at every sign."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_core.linkify import linkify
from markdown_it.token import Token

__all__ = ["DEEPEST", "PARSER"]

DEEPEST = 60
"""Blocks nested deeper are shown as their source: the parser would drop them without a word."""
_SIGNS = re.compile(r"[\n\\`~*_\[<&@]")
"""Without one of these, and two slashes, a line is one text to every rule that is in use."""
_ONE_CODE = re.compile(r"`([^`\n ](?:[^`\n]*[^`\n ])?)`")


def _parser() -> MarkdownIt:
    parser = MarkdownIt("gfm-like", {"html": False, "maxNesting": DEEPEST})
    parser.disable("reference")
    parser.core.ruler.at("inline", _read_lines)
    parser.core.ruler.at("linkify", _find_links)
    if parser.linkify is not None:
        # "README.md" and "views.view" are names in a specification, not web sites.
        parser.linkify.set({"fuzzy_link": False})
    return parser


def _read_lines(state: StateCore) -> None:
    """The rule `inline`, with a short way for plain texts and lone code, as most cells are."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = []
        if _SIGNS.search(token.content) is None and "//" not in token.content:
            if token.content:
                token.children.append(Token("text", "", 0, content=token.content))
        elif (code := _ONE_CODE.fullmatch(token.content)) is not None:
            known = Token("code_inline", "code", 0, content=code[1], markup="`")
            token.children.append(known)
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _find_links(state: StateCore) -> None:
    """The rule `linkify`, where there can be a link at all."""
    if "//" in state.src or "@" in state.src:
        linkify(state)


PARSER = _parser()
"""The one parser of descriptions; it keeps nothing between two texts."""
