"""The converter keeps every word and always yields a document that Jira's schema takes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.plugins.adf_validation.official import needs_official_schema, official_schema
from tests.plugins.adf_validation.reading import JUDGE, assert_sound, text_of
from tests.plugins.adf_validation.tricky import TRICKY
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.parsing import PARSER


@pytest.mark.parametrize("markdown", TRICKY.values(), ids=TRICKY.keys())
def test_tricky_markdown_becomes_a_valid_document_without_losing_a_word(markdown: str) -> None:
    assert_sound(markdown)


@needs_official_schema
def test_the_judge_of_these_tests_refuses_what_is_wrong() -> None:
    wrong = {"version": 1, "type": "doc", "content": [{"type": "listItem", "content": []}]}

    assert not official_schema().is_valid(wrong)


WORDS = st.text(alphabet="abcxyz019 _*`~[]()!<>&|#-+.:/\\=@é😀\n", min_size=1, max_size=24)
LINES = st.one_of(
    WORDS.map(lambda text: text.replace("\n", " ")),
    st.sampled_from(
        [
            "plain words",
            "**strong *both* `code`**",
            "~~gone~~ and `a | b`",
            "[text](https://a.example/b 'title') and [bad](javascript:x)",
            "![image](https://a.example/i.png) https://bare.example",
            "[ ] open",
            "[x] **done**",
            "line one\\\nline two",
            "<b>html</b> &amp; x",
        ]
    ),
)


def quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.split("\n"))


def listed(items: list[str], bullet: str) -> str:
    indent = " " * (len(bullet) + 1)
    return "\n".join(f"{bullet} " + item.replace("\n", f"\n{indent}") for item in items)


def tabled(rows: list[list[str]]) -> str:
    head, *body = ([cell.replace("\n", " ") for cell in row] for row in rows)
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *body))


def grown(blocks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    many = st.lists(blocks, min_size=1, max_size=3)
    return st.one_of(
        many.map("\n\n".join),
        blocks.map(quoted),
        st.builds(listed, many, st.sampled_from(["-", "*", "3.", "- [ ]", "- [x]"])),
    )


BLOCKS = st.recursive(
    st.one_of(
        LINES,
        st.builds(lambda level, text: "#" * level + " " + text, st.integers(1, 6), LINES),
        st.builds(
            lambda text, word: f"```{word}\n{text}\n```", WORDS, st.sampled_from(["", "php"])
        ),
        st.lists(st.lists(LINES, min_size=1, max_size=3), min_size=1, max_size=4).map(tabled),
        st.just("---"),
    ),
    grown,
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(BLOCKS)
def test_composed_markdown_becomes_a_valid_document_without_losing_a_word(markdown: str) -> None:
    assert_sound(markdown)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.text(alphabet="-*> \n[]x`|#1.\t", max_size=200)))
@example("\ud800")
def test_any_text_at_all_becomes_a_valid_document_without_losing_a_word(markdown: str) -> None:
    assert_sound(markdown)


def only_block(markdown: str) -> dict[str, Any]:
    content = markdown_to_adf(markdown)["content"]
    assert len(content) == 1
    return dict(content[0])


def test_a_heading_keeps_its_level() -> None:
    block = only_block("### Fields")

    assert block == {
        "type": "heading",
        "attrs": {"level": 3},
        "content": [{"type": "text", "text": "Fields"}],
    }


def test_a_heading_in_a_list_item_is_a_strong_paragraph() -> None:
    block = only_block("- # Fields `id`")

    strong = {"type": "text", "text": "Fields ", "marks": [{"type": "strong"}]}
    code = {"type": "text", "text": "id", "marks": [{"type": "code"}]}
    assert block["content"][0]["content"] == [{"type": "paragraph", "content": [strong, code]}]


def test_a_table_has_header_cells_and_empty_cells_hold_an_empty_paragraph() -> None:
    block = only_block("| Name | Type |\n|---|---|\n| a \\| b |  |")

    header, row = block["content"]
    assert [cell["type"] for cell in header["content"]] == ["tableHeader", "tableHeader"]
    assert row["content"][0]["content"][0]["content"] == [{"type": "text", "text": "a | b"}]
    assert row["content"][1]["content"] == [{"type": "paragraph", "content": []}]


def test_surplus_cells_of_a_row_move_into_its_last_cell() -> None:
    block = only_block("| a |\n|---|\n| b | c | **d** |")

    cell = block["content"][1]["content"][0]
    assert text_of(cell).split() == ["b", "|", "c", "|", "d"]


def test_a_table_that_opens_a_list_item_has_no_word_twice() -> None:
    block = only_block("- | a | b |\n  |---|---|\n  | 1 | 2 |")

    assert text_of(block).split() == ["a", "|", "b", "1", "|", "2"]


def test_a_list_of_tasks_is_a_task_list_with_ids_of_their_own() -> None:
    block = only_block("- [ ] write\n- [x] **read**")

    assert block["type"] == "taskList"
    assert [item["attrs"]["state"] for item in block["content"]] == ["TODO", "DONE"]
    ids = [block["attrs"]["localId"], *(item["attrs"]["localId"] for item in block["content"])]
    assert len(set(ids)) == len(ids)
    assert block["content"][0]["content"] == [{"type": "text", "text": "write"}]


@pytest.mark.parametrize("item", [r"\[x] a", "&#91;x] a", "[[x] a]()", "`[x] a`", "[x]", "[y] a"])
def test_what_only_looks_like_a_task_is_an_item_of_a_list(item: str) -> None:
    assert only_block(f"- {item}")["type"] == "bulletList"


def test_tasks_where_no_task_list_may_stand_are_bullets_with_boxes() -> None:
    block = only_block("> - [ ] write\n> - [x] read")

    bullets = block["content"][0]
    assert bullets["type"] == "bulletList"
    assert [text_of(item).strip() for item in bullets["content"]] == ["☐ write", "☑ read"]


def test_an_ordered_list_begins_where_the_markdown_says() -> None:
    assert only_block("7. seven")["attrs"] == {"order": 7}


def test_code_keeps_its_language_and_its_spaces() -> None:
    block = only_block("```yaml\n  a: 1\n\n  b: 2\n```")

    assert block["attrs"] == {"language": "yaml"}
    assert block["content"] == [{"type": "text", "text": "  a: 1\n\n  b: 2"}]


def test_words_beside_the_language_of_code_are_a_paragraph_before_it() -> None:
    words, code = markdown_to_adf("```yaml title = *x*\na: 1\n```")["content"]

    assert text_of(words).strip() == "title = *x*"
    assert code["attrs"] == {"language": "yaml"}


def test_code_wears_no_mark_beside_a_link() -> None:
    block = only_block("**[`id`](https://a.example)**")

    kinds = [mark["type"] for mark in block["content"][0]["marks"]]
    assert kinds == ["link", "code"]


@pytest.mark.parametrize("address", ["ftp://a.example/b", "/node/1", "#top", "tel:123"])
def test_a_link_to_elsewhere_is_text_with_its_address_in_sight(address: str) -> None:
    block = only_block(f"see [this]({address}) now")

    assert block["content"] == [{"type": "text", "text": f"see this ({address}) now"}]


def test_a_link_that_could_run_code_stays_the_source_it_is() -> None:
    block = only_block("[a](javascript:alert(1))")

    assert block["content"] == [{"type": "text", "text": "[a](javascript:alert(1))"}]


def test_an_image_is_a_link_on_its_description() -> None:
    block = only_block("![diagram](https://a.example/d.png)")

    link = {"type": "link", "attrs": {"href": "https://a.example/d.png"}}
    assert block["content"] == [{"type": "text", "text": "diagram", "marks": [link]}]


def test_an_image_in_a_link_keeps_its_address_in_sight() -> None:
    block = only_block("[![logo](https://a.example/l.png)](https://b.example)")

    assert text_of(block).strip() == "logo (https://a.example/l.png)"
    assert block["content"][0]["marks"][0]["attrs"]["href"] == "https://b.example"


def test_a_file_name_does_not_become_a_link() -> None:
    assert only_block("see README.md and node.body")["content"] == [
        {"type": "text", "text": "see README.md and node.body"}
    ]


def test_raw_html_is_shown_as_text() -> None:
    assert text_of(only_block("<img src=x onerror=alert(1)>")).strip() == (
        "<img src=x onerror=alert(1)>"
    )


def test_what_neither_json_nor_postgres_take_is_replaced() -> None:
    assert text_of(only_block("a\x00b\ud800c")).strip() == "a\ufffdb\ufffdc"


def test_blocks_nested_too_deep_are_shown_as_their_source() -> None:
    document = markdown_to_adf(">" * 200 + " bottom")

    assert text_of(document).strip() == ">" * 200 + " bottom"


def test_a_blank_text_is_a_document_without_content() -> None:
    assert markdown_to_adf(" \n") == {"version": 1, "type": "doc", "content": []}


def test_the_same_markdown_always_becomes_the_same_document() -> None:
    markdown = TRICKY["nested tasks"]

    assert markdown_to_adf(markdown) == markdown_to_adf(markdown)


def test_a_link_on_nothing_is_a_link_on_its_address() -> None:
    link = {"type": "link", "attrs": {"href": "https://a.example"}}

    block = only_block("[](https://a.example)")

    assert block["content"] == [{"type": "text", "text": "https://a.example", "marks": [link]}]


@pytest.mark.parametrize(
    ("markdown", "shown"), [("a\\\n[]()", "a"), ("a&#10;b&#13;c", "a b c"), ("x\n\n[]()", "x")]
)
def test_what_shows_nothing_leaves_nothing_behind(markdown: str, shown: str) -> None:
    assert only_block(markdown)["content"] == [{"type": "text", "text": shown}]


def test_a_task_without_words_is_an_item_of_a_list() -> None:
    assert only_block("- [ ] []()")["type"] == "bulletList"


PLAIN = [
    "words",
    "a - b",
    "x: y",
    "#!$%",
    "a/b",
    "1 + 2 = 3",
    "a | b",
    "{x}^2",
    "wow!",
    "(c)]",
    "'",
]
CODES = ["`a`", "`a b`", "` a `", "`a `", "` `", "``", "`a` b", "`a\\`", "`*x*`", "`a``b`", "`\\``"]
LINKS = ["a//b.org", "http://a.example", "me@a.org", "`me@a.example`", "mailto:b@a.org", "www.a"]


@pytest.mark.parametrize("line", [*PLAIN, *CODES, *LINKS])
def test_what_is_known_at_a_glance_is_read_as_by_the_library(line: str) -> None:
    ours, theirs = (parser.parse(line)[1].children or () for parser in (PARSER, JUDGE))

    assert [child.as_dict() for child in ours] == [child.as_dict() for child in theirs]
