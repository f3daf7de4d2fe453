"""The short form of a long description fits into Jira, whatever it is made of, and cuts nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plugins.adf_validation.tricky import TRICKY
from ticketgen.domain.descriptions import OVERSIZE, ShortForm, short_form_of
from ticketgen.markdown_bounds import most_characters
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.jira_rules import JIRA_RULES, LONGEST_DESCRIPTION, stored_length
from ticketgen_adf_validation.judging import judge

SIGNS = st.sampled_from(
    [
        *(
            "*",
            "**",
            "_",
            "~~",
            "`",
            "[a",
            "](",
            ")",
            "![",
            "\\",
            "\\`",
            " ",
            "a",
            "x_y",
            "&nGt;",
            "😀",
        ),
        *('http://x.yz/é"', "<http://a.b>", "a@b.cd", "//b.cd", "mailto:a@b.cd"),
        *("\n", "\n\n", "  \n", "\\\n", "\t", "    ", "> ", "- ", "1. ", "# ", "---\n", "===\n"),
        *("```\n", "~~~\n", "|", "|a|b|\n|--|--|\n", "|-|-|-|\n", "- [ ] x\n"),
    ]
)
TEXTS = st.one_of(
    st.lists(SIGNS, max_size=50).map("".join),
    st.builds(lambda signs: "".join(signs) * 20, st.lists(SIGNS, min_size=1, max_size=6)),
)
HUGE = {
    "one line of words": "word word. " * 20_000,
    "one line without a pause": "x" * 40_000,
    "one line of formatting": "a **b c** `d e` [f g](http://h.i) " * 1_200,
    "a megabyte": "Ein Absatz mit Wörtern.\n\n" * 42_000,
    "emoji": "😀 " * 20_000,
    "headings": "## a\n\nb\n\n" * 5_000,
    "links": "- [link](http://example.com/abc)\n" * 2_000,
    "code without an end": "```\n" + "code `x\n" * 5_000,
    "quotes of nothing": ">\n\n" * 20_000,
    "cells that a parser adds": "|a" * 900 + "\n" + "|-" * 900 + "|\n" + "x\n" * 20_000,
    "backticks of every length": " ".join("`" * count for count in range(1, 260)),
    "NUL and surrogates": "\x00\ud800 word " * 5_000,
}
KEY = "bundles:content-type:article"


def short(markdown: str) -> ShortForm:
    found = short_form_of(markdown, key=KEY)
    assert found is not None
    return found


def table(rows: int, width: int = 60) -> str:
    lines = [f"| {row} | a \\| b \\[x\\] | {'z' * width} |" for row in range(1, rows + 1)]
    return "\n".join(["| Number | Signs | Text |", "| --- | --- | --- |", *lines])


def assert_fits(markdown: str) -> None:
    text = short(markdown).text
    document = markdown_to_adf(text)
    assert len(text) <= OVERSIZE
    assert stored_length(document) <= LONGEST_DESCRIPTION
    assert judge(document, [("adf_validation", JIRA_RULES)]) == ()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_no_text_takes_more_room_than_its_bound_says(markdown: str) -> None:
    assert stored_length(markdown_to_adf(markdown)) <= most_characters(markdown)


@pytest.mark.parametrize("markdown", TRICKY.values(), ids=TRICKY.keys())
def test_no_tricky_text_takes_more_room_than_its_bound_says(markdown: str) -> None:
    assert stored_length(markdown_to_adf(markdown)) <= most_characters(markdown)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_the_short_form_of_anything_fits_into_jira(pieces: list[str]) -> None:
    text = "\n\n".join(pieces) + "\n\nx"

    assert_fits(text * (OVERSIZE // len(text) + 1))


@pytest.mark.parametrize("markdown", HUGE.values(), ids=HUGE.keys())
def test_the_short_form_of_a_monster_fits_into_jira(markdown: str) -> None:
    assert_fits(markdown)


def test_a_description_of_thirty_thousand_characters_is_sent_as_it_is() -> None:
    assert short_form_of("x" * OVERSIZE, key=KEY) is None
    assert short_form_of("x" * (OVERSIZE + 1), key=KEY) is not None


def test_small_sections_stay_whole_and_a_large_table_is_cut_between_rows() -> None:
    small = ["## User story\n\nAs an editor, I want it.", "## Success criteria\n\n- [ ] It is.\n"]
    large = f"## Fields (700)\n\n{table(700)}"
    whole = "\n\n".join([small[0], large, small[1]])

    found = short(whole)

    rows = re.findall(r"^\| (\d+) \| a \\\| b \\\[x\\\] \| z{60} \|$", found.text, re.MULTILINE)
    kept, total, rest = re.findall(r"first (\d+) of (\d+) rows; (\d+) more rows are", found.text)[0]
    assert all(section in found.text for section in small)
    assert rows == [str(number) for number in range(1, int(kept) + 1)]
    assert 200 < int(kept) == int(total) - int(rest) < 300
    assert [line for line in found.text.splitlines() if line.startswith("|")][2:] == [
        line for line in whole.splitlines() if line.startswith("|")
    ][2 : 2 + len(rows)]
    assert found.content.decode() == whole
    assert "`bundles-content-type-article.md`" in found.text.splitlines()[0]


def test_two_large_tables_share_the_room() -> None:
    found = short(f"## A\n\n{table(400)}\n\n## B\n\n{table(400)}\n\n## C\n\nc")

    kept = re.findall(r"first (\d+) of 400 rows", found.text)
    assert len(kept) == 2
    assert min(map(int, kept)) > 100
    assert found.text.endswith("## C\n\nc\n")


def test_text_is_cut_between_words_outside_of_code_links_and_escapes() -> None:
    line = "word `code with spaces and more` [a link](http://a.example) \\* " * 1_000

    text = short(line).text
    [_, begun, sentence] = text.strip().split("\n\n")

    assert begun.endswith(" …")
    assert line.startswith(begun.removesuffix(" …"))
    assert begun.count("`") % 2 == 0
    assert begun.count("[") == begun.count(")")
    assert not begun.removesuffix(" …").endswith("\\")
    assert sentence == "More of this is in the attached file."


def test_code_that_is_cut_is_closed_so_that_what_follows_is_none() -> None:
    text = short("## Log\n\n```\n" + "line\n" * 8_000 + "```\n\n## Next\n\nwords").text

    kinds = [block["type"] for block in markdown_to_adf(text)["content"]]
    assert kinds == ["paragraph", "heading", "codeBlock", "paragraph", "heading", "paragraph"]


def test_list_items_are_kept_whole() -> None:
    items = "".join(f"- [ ] It has the field number {number} as listed.\n" for number in range(900))

    lines = short(items).text.splitlines()

    assert [line for line in lines if line.startswith("- ")] == items.splitlines()[: len(lines) - 4]


@pytest.mark.parametrize("key", ["../../etc/passwd", "日本語", "", "a\x00\ud800", "x" * 400, "a:b"])
def test_the_file_has_a_plain_name_whatever_the_key(key: str) -> None:
    found = short_form_of("word " * 8_000, key=key)

    assert found is not None
    assert re.fullmatch(r"[a-z0-9-]{1,90}\.md", found.file_name)


def test_different_keys_give_different_names() -> None:
    keys = ["views:日本", "views:漢字", "views:a", "views:ä", "x" * 400, "x" * 401]

    found = [short_form_of("word " * 8_000, key=key) for key in keys]

    assert len({one.file_name for one in found if one is not None}) == len(keys)
