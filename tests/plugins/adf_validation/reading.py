"""Whether a document is valid, tidy and holds every word of the Markdown it was made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.plugins.adf_validation.official import SPEC_DIR, official_schema
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.jira_rules import JIRA_RULES
from ticketgen_adf_validation.judging import judge

# The same reading of Markdown as the converter's, set up on its own, so that a text lost by the
# converter cannot also be lost by its judge.
JUDGE = MarkdownIt("gfm-like", {"html": False, "maxNesting": 60}).disable("reference")
assert JUDGE.linkify is not None
JUDGE.linkify.set({"fuzzy_link": False})


def shown_words(markdown: str) -> list[str]:
    """The runs of characters between spaces that a reader of the rendered Markdown sees.

    They are those of markdown-it's own tokens: texts, code, and the descriptions of images. Only
    the marker of a task (`[ ]`, `[x]`) is no word.
    """
    words: list[str] = []
    previous: list[str] = []
    for token in JUDGE.parse(re.sub("[\x00\ud800-\udfff]", "\ufffd", markdown)):
        if token.type in {"fence", "code_block"}:
            words += [*token.info.split()[1:], *token.content.split()]
        elif token.type == "inline":
            text = "".join(texts(token.children or ()))
            begins_item = previous[-2:] == ["list_item_open", "paragraph_open"]
            if begins_item and re.match(r"\[[ xX]\]\s+\S", token.content):
                text = text[3:]
            words += text.split()
        previous.append(token.type)
    return words


def texts(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in {"softbreak", "hardbreak"}:
            yield " "
        elif token.type == "image":
            yield "".join(texts(token.children or ())) + " "
        elif token.type in {"link_open", "link_close"}:
            # An address may stand there for people to read.
            yield " "
        else:
            yield token.content


def nodes_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield document
    for child in document.get("content", ()):
        yield from nodes_of(child)


def text_of(node: dict[str, Any]) -> str:
    """The text of a document, its blocks and breaks set apart by a space."""
    if node["type"] == "text":
        return str(node["text"])
    inline = "".join(text_of(child) for child in node.get("content", ()))
    return inline if node["type"] in {"listItem", "doc"} else f" {inline} "


def first_lost_word(markdown: str, document: dict[str, Any]) -> str | None:
    """The first word of the Markdown that the document does not hold at its place."""
    text, position = text_of(document), 0
    for word in shown_words(markdown):
        found = text.find(word, position)
        if found < 0:
            return word
        position = found + len(word)
    return None


def assert_sound(markdown: str) -> None:
    document = markdown_to_adf(markdown)

    findings = [
        finding
        for finding in judge(document, [("adf_validation", JIRA_RULES)])
        if finding.rule not in {"adf_validation.empty_document", "adf_validation.too_long"}
    ]
    assert findings == []
    assert first_lost_word(markdown, document) is None
    assert_tidy(document)
    json.dumps(document).encode()
    if OFFICIAL is not None:
        assert [error.message for error in OFFICIAL.iter_errors(document)] == []


OFFICIAL = official_schema() if SPEC_DIR is not None else None


def assert_tidy(document: dict[str, Any]) -> None:
    for node in nodes_of(document):
        content = node.get("content", [])
        assert all(child.get("text") != "" for child in content)
        assert not any(
            left["type"] == right["type"] == "text" and left.get("marks") == right.get("marks")
            for left, right in pairwise(content)
        )
