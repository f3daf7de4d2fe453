"""Wiki markup shows every word of a document and formats only what the document formats."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plugins.adf_validation.mutating import nodes_of, rich_document
from ticketgen_export.wiki_markup import escaped, wiki_markup


def text(words: str, *marks: str) -> dict[str, Any]:
    worn = [{"type": mark} for mark in marks]
    return (
        {"type": "text", "text": words, "marks": worn} if worn else {"type": "text", "text": words}
    )


def linked(words: str, href: str) -> dict[str, Any]:
    mark = {"type": "link", "attrs": {"href": href}}
    return {"type": "text", "text": words, "marks": [mark]}


def paragraph(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": list(content)}


def item(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "listItem", "content": list(blocks)}


def doc(*content: dict[str, Any]) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(content)}


ESCAPE = re.compile(r"\\([^A-Za-z0-9\s\\])")


def shown(markup: str) -> str:
    """What Jira shows of markup without formatting: escapes and references resolved."""
    return html.unescape(ESCAPE.sub(r"\1", markup))


def active_signs(markup: str) -> list[str]:
    """The signs that Jira would still read as formatting."""
    bare = re.sub(r"&#?\w+;", " ", ESCAPE.sub(" ", markup))
    return re.findall(r"[{}\[\]|\\]|(?<![^\W_])[*_+^~-]|[*_+^~-](?![^\W_])", bare)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab1 *_-+^~{}[]|!?\\#&;:().hq\"'=@é", max_size=40))
def test_escaped_text_shows_as_it_was_and_formats_nothing(words: str) -> None:
    markup = escaped(words)

    assert shown(markup) == words
    assert active_signs(markup) == []


@pytest.mark.parametrize(
    ("words", "markup"),
    [
        ("field_body_text", "field_body_text"),
        ("a-b x*y", "a-b x*y"),
        ("*bold* _em_ -del-", r"\*bold\* \_em\_ \-del\-"),
        ("{code} [x|y]", r"\{code\} \[x\|y\]"),
        ("----", r"\-\-\-\-"),
        ("!image.png!", r"\!image.png\!"),
        ("# one", r"\# one"),
        ("h1. x", "h1&#46; x"),
        ("bq. x", "bq&#46; x"),
        ("C:\\temp", "C:&#92;temp"),
        ("&amp; & &#92;", "&amp;amp; & &amp;#92;"),
        ("(x) (a) :)", r"\(x) (a) \:)"),
        ("??cite??", r"\?\?cite\?\?"),
    ],
)
def test_signs_are_escaped_only_where_they_mean_something(words: str, markup: str) -> None:
    assert escaped(words) == markup


def test_marks_become_their_signs_and_braces_where_they_touch_words() -> None:
    line = paragraph(
        text("a "), text("b", "strong"), text(" un", "em"), text("like", "strong"),
        text("ly "), text("x{y", "code"), text(" gone ", "strike"),
    )  # fmt: skip

    assert wiki_markup(doc(line)) == r"a *b* {_}un{_}{*}like{*}ly {{x\{y}} -gone-"


def test_links_show_their_text_and_keep_their_address() -> None:
    line = paragraph(linked("the site", "https://a.example/x|y]"), text(" "))
    bare = paragraph(linked("https://b.example", "https://b.example"))

    assert wiki_markup(doc(line, bare)) == (
        "[the site|https://a.example/x%7Cy%5D] \n\n[https://b.example]"
    )


def test_lists_nest_by_their_signs() -> None:
    inner = {"type": "orderedList", "content": [item(paragraph(text("b"))), item(paragraph())]}
    outer = {"type": "bulletList", "content": [item(paragraph(text("a")), inner)]}
    task = {"type": "taskItem", "attrs": {"localId": "1", "state": "DONE"}, "content": [text("c")]}
    tasks = {"type": "taskList", "attrs": {"localId": "2"}, "content": [task]}

    assert wiki_markup(doc(outer, tasks)) == "* a\n*# b\n*# \n\n* ☑ c"


def test_tables_have_header_cells_and_keep_empty_cells_open() -> None:
    head = [{"type": "tableHeader", "content": [paragraph(text(name))]} for name in "ab"]
    body = [
        {"type": "tableCell", "content": [paragraph(*content)]} for content in ([text("1|2")], [])
    ]
    rows = [{"type": "tableRow", "content": row} for row in (head, body)]

    assert wiki_markup(doc({"type": "table", "content": rows})) == "||a||b||\n|1\\|2| |"


@pytest.mark.parametrize(
    ("source", "markup"),
    [
        ("a = {b}\n  c", "{code:php}\na = {b}\n  c\n{code}"),
        ("{code}", "{noformat}\n{code}\n{noformat}"),
        ("{code} {noformat}", r"\{code\} \{noformat\}"),
    ],
)
def test_code_stays_as_it_is_even_if_it_spells_the_end_of_its_block(
    source: str, markup: str
) -> None:
    block = {"type": "codeBlock", "attrs": {"language": "php"}, "content": [text(source)]}

    assert wiki_markup(doc(block)) == markup


def test_the_markup_of_every_kind_of_node_holds_all_of_its_text() -> None:
    document = rich_document()
    texts = [node["text"] for node in nodes_of(document) if node["type"] == "text"]

    markup = wiki_markup(document)

    assert markup.count("words") == texts.count("words")
    assert all(word in markup for word in ("@u", "done", "2023-11-14", "https://a.example", "more"))


def test_colors_and_raised_and_lowered_signs_keep_their_marks() -> None:
    red = {"type": "textColor", "attrs": {"color": "#ff0000"}}
    raised = {"type": "subsup", "attrs": {"type": "sup"}}
    line = paragraph(
        {"type": "text", "text": "stop", "marks": [red]},
        text(" ", "strong"),
        text("x"),
        {"type": "text", "text": "2", "marks": [raised]},
    )

    assert wiki_markup(doc(line)) == "{color:#ff0000}stop{color} x{^}2{^}"


def test_the_blocks_of_an_item_stay_with_it() -> None:
    code = {"type": "codeBlock", "content": [text("a")]}
    bullets = {
        "type": "bulletList",
        "content": [item(paragraph(text("one")), paragraph(text("two")), code)],
    }

    assert wiki_markup(doc(bullets)) == "* one\\\\ two\n{code}\na\n{code}"


def test_tasks_below_tasks_nest() -> None:
    def task(name: str, state: str) -> dict[str, Any]:
        attributes = {"localId": name, "state": state}
        return {"type": "taskItem", "attrs": attributes, "content": [text(name)]}

    inner = {"type": "taskList", "attrs": {"localId": "i"}, "content": [task("b", "DONE")]}
    outer = {"type": "taskList", "attrs": {"localId": "o"}, "content": [task("a", "TODO"), inner]}

    assert wiki_markup(doc(outer)) == "* ☐ a\n** ☑ b"


@pytest.mark.parametrize("stamp", ["soon", "9" * 30])
def test_a_date_that_is_none_is_shown_as_it_is_written(stamp: str) -> None:
    date = {"type": "date", "attrs": {"timestamp": stamp}}

    assert wiki_markup(doc(paragraph(date))) == stamp
