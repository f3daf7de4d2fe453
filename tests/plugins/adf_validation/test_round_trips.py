"""What comes back from Jira as Markdown is read as the same document, and no word is lost."""

from __future__ import annotations

import json
import os
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.adf_validation.mutating import mutated, nodes_of, rich_document
from tests.plugins.adf_validation.pasting import damaged, pasted
from tests.plugins.adf_validation.reading import shown_words
from tests.plugins.adf_validation.sprouting import sprouted
from tests.plugins.adf_validation.tricky import TRICKY
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.reverting import adf_to_markdown

SCALE = float(os.getenv("TICKETGEN_ADF_PROOF", "1"))
"""So many times as many random texts and documents as usual."""
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""What has no character reference: the one exception, and only beside a sign or at an edge."""


def assert_same_again(markdown: str) -> None:
    document = markdown_to_adf(CONTROLS.sub("", markdown))
    back = adf_to_markdown(document)

    assert markdown_to_adf(back) == document, (markdown, back)


def doc(*content: Any) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(content)}


def line(*content: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def text(words: str, *marks: str) -> dict[str, Any]:
    worn = {"marks": [{"type": mark} for mark in marks]} if marks else {}
    return {"type": "text", "text": words, **worn}


@pytest.mark.parametrize("markdown", TRICKY.values(), ids=TRICKY.keys())
def test_tricky_markdown_is_the_same_document_again(markdown: str) -> None:
    assert_same_again(markdown)


@pytest.mark.parametrize("seed", range(4))
def test_pasted_and_damaged_markdown_is_the_same_document_again(seed: int) -> None:
    rng = random.Random(seed)

    for _ in range(int(250 * SCALE)):
        markdown = pasted(rng)[0]
        assert_same_again(markdown)
        assert_same_again(damaged(markdown, rng))


SIGNS = '*_~`[]()<>!&#|+-=:.1aé \\\t\u00a0"@/;,'


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.text(alphabet=SIGNS + "\n", max_size=80)))
def test_any_text_at_all_is_the_same_document_again(markdown: str) -> None:
    assert_same_again(markdown)


MARKED = st.builds(
    lambda words, marks: text(words, *marks),
    st.text(alphabet=SIGNS, min_size=1, max_size=6),
    st.lists(st.sampled_from(["strong", "em", "strike"]), max_size=3, unique=True),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(MARKED, st.just({"type": "hardBreak"})), min_size=1, max_size=5))
def test_any_text_with_any_marks_is_read_as_it_was_written(nodes: list[Any]) -> None:
    back = markdown_to_adf(adf_to_markdown(doc(line(*nodes))))

    assert shown(back) == shown(doc(line(*nodes)))


def shown(document: Any) -> list[tuple[str, frozenset[str]]]:
    """Each character with what it wears, without breaks at the end."""
    characters: list[tuple[str, frozenset[str]]] = []
    for node in nodes_of(document):
        worn = frozenset(mark["type"] for mark in node.get("marks", ()))
        characters += [(sign, worn) for sign in node.get("text", "")]
        if node["type"] == "hardBreak":
            characters.append(("\n", frozenset()))
    while characters and characters[-1][0] == "\n":
        characters.pop()
    return characters


ATTRIBUTES_READ = {"mention", "emoji", "status", "placeholder", "expand", "nestedExpand", "media"}


def words_of(document: Any) -> list[str]:
    """Every word of a document, however broken it is, in the order in which it stands there."""
    words: list[str] = []
    for node in nodes_of(document):
        if isinstance(node.get("text"), str):
            words += node["text"].split()
        attributes = node.get("attrs")
        if node.get("type") in ATTRIBUTES_READ and isinstance(attributes, dict):
            for name in ("title", "text", "alt"):
                if isinstance(attributes.get(name), str):
                    words += attributes[name].split()
    return words


def assert_nothing_lost(document: Any) -> None:
    shown_again = " ".join(shown_words(adf_to_markdown(document)))
    position = 0
    for word in words_of(document):
        found = shown_again.find(word, position)
        assert found >= 0, (word, document, adf_to_markdown(document))
        position = found + len(word)


def witnessed(document: Any) -> Any:
    """The document with texts that are each one of a kind."""
    for number, node in enumerate(nodes_of(document)):
        if isinstance(node.get("text"), str):
            node["text"] = f"{node['text'].strip()[:1]}w{number}x "
        attributes = node.get("attrs")
        for name in ("title", "text", "alt"):
            if isinstance(attributes, dict) and isinstance(attributes.get(name), str):
                attributes[name] = f"a{number}{name}"
    return document


def test_a_document_with_every_kind_of_node_loses_no_word() -> None:
    assert_nothing_lost(witnessed(rich_document()))


@pytest.mark.parametrize("seed", range(2))
def test_documents_of_all_kinds_lose_no_word(seed: int) -> None:
    rng = random.Random(seed)

    for _ in range(int(500 * SCALE)):
        assert_nothing_lost(witnessed(sprouted(rng, levels=rng.randint(1, 6))))


@pytest.mark.parametrize("seed", range(2))
def test_broken_documents_lose_no_word_and_raise_nothing(seed: int) -> None:
    rng = random.Random(seed)

    for number in range(int(500 * SCALE)):
        original = rich_document() if number % 5 == 0 else sprouted(rng, levels=4)
        broken = mutated(witnessed(original), rng.randrange(2**32))
        written = adf_to_markdown(broken)
        found = set(re.findall(r"w\d+x", written))
        assert found >= set(re.findall(r"w\d+x", json.dumps([*texts_in(broken)]))), broken


def texts_in(value: Any) -> list[str]:
    """What stands as text in nodes that can be reached as nodes."""
    return [node["text"] for node in nodes_of(value) if isinstance(node.get("text"), str)]


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, "words", [[]], {}, {"content": "words"}, {"content": {"text": "words"}},
     [{"type": "text", "text": "words"}], {"type": [], "content": [{"type": {}, "text": 3}]},
     {"content": [{"type": "heading", "attrs": {"level": "x"}}, {"type": "table", "content": 3}]},
     {"content": [{"type": "orderedList", "attrs": {"order": 1e300}, "content": [None, "a"]}]},
     {"content": [{"type": "date", "attrs": {"timestamp": "9" * 40}}, {"type": "codeBlock"}]}],
)  # fmt: skip
def test_any_json_at_all_becomes_markdown(value: Any) -> None:
    written = adf_to_markdown(value)

    assert ("words" in written) is ("words" in json.dumps(value))
    written.encode()


def test_a_document_nested_thousands_deep_keeps_its_words() -> None:
    inner: Any = line(text("bottom"))
    for _ in range(5_000):
        inner = {"type": "bulletList", "content": [{"type": "listItem", "content": [inner]}]}

    assert "bottom" in adf_to_markdown(doc(inner))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("# x", "\\# x"), ("1. x", "1\\. x"), ("2024) x", "2024\\) x"), ("- x", "\\- x"),
        ("*a*", "\\*a\\*"), ("snake_case_word", "snake_case_word"), ("_a_", "\\_a\\_"),
        ("<b>", "\\<b>"), ("a < b", "a < b"), ("`x`", "\\`x\\`"), ("end\\", "end\\\\"),
        ("C:\\dir", "C:\\dir"), ("  two", "&#32;&#32;two"), ("a | b", "a | b"), ("---", "\\---"),
        ("&amp; & b", "\\&amp; & b"), ("Hello!", "Hello!"), ("[ ] a", "\\[ ] a"),
        ("~~~", "\\~\\~\\~"),
        ("me@a.example", "me\\@a.example"), ("@me", "@me"),
        ("https://a.example", "https:\\/\\/a.example"),
        ("> x", "\\> x"), ("===", "\\==="), ("a\nb", "a\\\nb"), ("x\ud800\x00", "x\ufffd\ufffd"),
    ],
)  # fmt: skip
def test_a_text_is_escaped_where_it_must_be_and_nowhere_else(words: str, expected: str) -> None:
    assert adf_to_markdown(doc(line(text(words)))) == expected + "\n"


def test_what_markdown_has_no_sign_for_is_words() -> None:
    day = {"type": "date", "attrs": {"timestamp": "1700000000000"}}
    status = {"type": "status", "attrs": {"text": "done", "color": "green"}}
    mention = {"type": "mention", "attrs": {"id": "u", "text": "@Ann"}}
    card = {"type": "inlineCard", "attrs": {"url": "https://a.example"}}
    panel = {"type": "panel", "attrs": {"panelType": "info"}, "content": [line(text("note"))]}
    expand = {"type": "expand", "attrs": {"title": "More"}, "content": [line(text("inside"))]}
    space = text(" ")

    written = adf_to_markdown(
        doc(line(day, space, status, space, mention, space, card), panel, expand)
    )

    assert written == (
        "2023-11-14 **done** @Ann <https://a.example>\n\n> note\n\n**More**\n\ninside\n"
    )


def test_a_link_that_is_not_safe_is_text_with_its_address() -> None:
    mark = {"type": "link", "attrs": {"href": "javascript:alert(1)"}}

    written = adf_to_markdown(doc(line({"type": "text", "text": "press", "marks": [mark]})))

    assert written == "press (javascript:alert(1))\n"


def test_a_table_with_merged_cells_and_lists_in_it_is_a_table_with_every_word() -> None:
    item = {"type": "listItem", "content": [line(text("one | two"))]}
    wide = {"type": "tableHeader", "attrs": {"colspan": 2}, "content": [line(text("head"))]}
    cells = [
        {
            "type": "tableCell",
            "content": [line(text("a")), {"type": "bulletList", "content": [item]}],
        },
        {"type": "tableCell", "content": [line()]},
        {"type": "tableCell", "content": [line(text("c"))]},
    ]
    rows = [{"type": "tableRow", "content": [wide]}, {"type": "tableRow", "content": cells}]

    written = adf_to_markdown(doc({"type": "table", "content": rows}))

    assert written == "| head |  |  |\n| --- | --- | --- |\n| a one \\| two |  | c |\n"
