"""Hostile text survives a Markdown parser literally."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.plugins.processing.markdown_tables import bullets, tables
from ticketgen_processing.escaping import escape_cell, escape_line

# What reading lets through: no control characters but tab and newline, no surrogates.
characters = st.characters(
    blacklist_categories=["Cs", "Cc"], blacklist_characters="\u2028\u2029"
) | st.sampled_from("\t\n|\\`*_~<>&[]()!#.:/@-+= \u00a0\u2028")
texts = st.text(characters.filter(lambda one: ord(one) & 0xFFFE != 0xFFFE), max_size=30)
hostile = st.lists(
    st.sampled_from(
        [
            *("https://example.com/a_b?c=%20", "www.example.com", "a@example.com", "ftp://x.org"),
            *("mailto:", "//example.com", "&amp;", "&#65;", "<b>", "</b>", "<https://a.de>"),
            *("[a](b)", "![a](b)", "**", "__", "_", "`", "``", "~~", "\\", "|", "\\|", "\n"),
            *(
                "- ",
                "1. ",
                "# ",
                "> ",
                "| --- |",
                ":---",
                "x",
                " ",
                "http://",
                "\u00a0",
                "example.de",
            ),
        ]
    ),
    max_size=8,
).map("".join)


def cell_of(text: str) -> str:
    table = f"| {escape_cell('head')} |\n| --- |\n| {escape_cell(text)} |\n"
    rows = tables(table)[""]
    assert len(rows) == 2
    assert len(rows[1]) == 1
    return rows[1][0]


@settings(deadline=None)
@given(text=texts | hostile)
@example(text="x" * 3 + "://localhost")
@example(text="_a_ __b__ a_b a__b _")
@example(text="&notit; &#x41; R&D &")
@example(text="\\| a \\\\| b |")
@example(text=" \u00a0\u3000x\u2003\n")
def test_any_text_in_a_cell_is_parsed_back_to_itself(text: str) -> None:
    assert cell_of(text) == text


@settings(deadline=None)
@given(text=texts | hostile)
@example(text="1) a")
@example(text="---")
@example(text="# a")
@example(text="[ ] open")
@example(text=": a")
def test_any_text_as_a_list_item_is_one_line_of_the_same_words(text: str) -> None:
    escaped = escape_line(text)

    if not text.split():
        assert escaped == ""
        return
    assert bullets(f"- {escaped}\n- end\n", "") == [" ".join(text.split()), "end"]


@pytest.mark.parametrize(
    "text", ["field_intro_text", "1.5x, 2x", "Add (a) term!", "a - b", "TIDEMARK_Fields.csv"]
)
def test_ordinary_text_is_left_readable(text: str) -> None:
    assert escape_cell(text) == text
