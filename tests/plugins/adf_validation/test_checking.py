"""The checker refuses what Atlassian's schema refuses, and what Jira refuses beyond it."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

from tests.plugins.adf_validation.mutating import KINDS, mutated, nodes_of, rich_document
from tests.plugins.adf_validation.official import needs_official_schema, official_schema
from tests.plugins.adf_validation.tricky import TRICKY
from tests.plugins.adf_validation.verdicts import disagreement
from ticketgen import Finding
from ticketgen_adf_validation.checking import check_grammar
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.grammar import NODES
from ticketgen_adf_validation.jira_rules import JIRA_RULES, LONGEST_DESCRIPTION, stored_length
from ticketgen_adf_validation.judging import judge

MUTANTS = int(os.getenv("TICKETGEN_ADF_MUTANTS", "6000"))


def doc(*content: Any) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(content)}


def line(text: str = "words", **properties: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": [{"type": "text", "text": text, **properties}]}


def table(*widths: int) -> dict[str, Any]:
    rows = [
        {"type": "tableRow", "content": [{"type": "tableCell", "content": [line()]}] * width}
        for width in widths
    ]
    return {"type": "table", "content": rows}


def check_document(document: object) -> tuple[Finding, ...]:
    """What the plugin says where no other brings a check."""
    return judge(document, [("adf_validation", JIRA_RULES)])


def rules(document: object) -> list[str]:
    return [finding.rule.removeprefix("adf_validation.") for finding in check_document(document)]


def accepts(document: object) -> bool:
    """The verdict of the grammar alone."""
    return check_grammar(document) == ()


def test_a_document_with_every_kind_of_node_is_accepted() -> None:
    document = rich_document()

    seen = {node["type"] for node in nodes_of(document)}
    assert seen == set(NODES) == set(KINDS) - {"gadget"}
    assert check_document(document) == ()


@needs_official_schema
def test_the_official_schema_accepts_the_document_with_every_kind_of_node() -> None:
    assert official_schema().is_valid(rich_document())


@needs_official_schema
def test_the_verdict_on_mutated_documents_is_that_of_the_official_schema() -> None:
    judge = official_schema()
    originals = [rich_document(), *(markdown_to_adf(text) for text in TRICKY.values())]

    verdicts: Counter[bool] = Counter()
    for seed in range(MUTANTS):
        # Every other mutant is of the document that has all kinds of nodes.
        original = originals[0] if seed % 2 else originals[seed // 2 % len(originals)]
        mutant = mutated(original, seed)
        verdict = judge.is_valid(mutant)
        assert disagreement(mutant, verdict) is None, (seed, check_document(mutant)[:3], mutant)
        verdicts[verdict] += 1

    assert min(verdicts[True], verdicts[False]) > MUTANTS // 10


@needs_official_schema
@pytest.mark.parametrize("parent", sorted(NODES))
def test_every_kind_of_node_is_accepted_exactly_where_the_schema_accepts_it(parent: str) -> None:
    judge = official_schema()
    samples = {node["type"]: node for node in nodes_of(rich_document())}
    places = [node["type"] for node in nodes_of(rich_document())]

    for kind, sample in samples.items():
        document = rich_document()
        holder = list(nodes_of(document))[places.index(parent)]
        holder["content"] = [*holder.get("content", [])[:1], sample]
        assert disagreement(document, judge.is_valid(document)) is None, kind
        holder["content"] = [sample]
        assert disagreement(document, judge.is_valid(document)) is None, kind


@pytest.mark.parametrize("document", [None, [], "doc", 7, {}, {"type": "doc"}, {"type": []}])
def test_what_is_no_document_is_a_finding_and_no_crash(document: object) -> None:
    assert not accepts(document)


def test_every_problem_is_reported_with_its_place() -> None:
    document = doc(
        {"type": "heading", "attrs": {"level": 9}},
        {"type": "bulletList", "content": [line()]},
        {"type": "gadget"},
        line(marks=[{"type": "strong"}, {"type": "code"}]),
        {"type": "panel", "content": []},
    )

    places = {(finding.rule.split(".")[1], finding.path) for finding in check_document(document)}

    assert places == {
        ("attribute", "/content/0/attrs/level"),
        ("nesting", "/content/1/content/0"),
        ("unknown_node", "/content/2/type"),
        ("mark", "/content/3/content/0/marks"),
        ("attribute", "/content/4"),
        ("content", "/content/4/content"),
    }


def test_every_finding_says_what_to_do() -> None:
    for seed in range(300):
        for finding in check_document(mutated(rich_document(), seed)):
            assert finding.rule.startswith("adf_validation.")
            assert finding.message.endswith((".", "…"))
            assert finding.remedy.endswith(".")
            assert len(finding.value or "") <= 120


def test_names_in_a_pointer_are_escaped() -> None:
    (finding,) = check_document(doc({**line(), "a/b~c": 1}))

    assert finding.path == "/content/0/a~1b~0c"


def test_an_empty_document_is_an_error() -> None:
    blank = doc({"type": "paragraph"}, {"type": "rule"}, line(" \n"))

    assert rules(doc()) == rules(blank) == ["empty_document"]


def test_a_document_that_only_shows_a_picture_is_not_empty() -> None:
    picture = {"type": "media", "attrs": {"type": "file", "id": "m", "collection": "c"}}

    assert rules(doc({"type": "mediaGroup", "content": [picture]})) == []


def test_a_row_with_another_number_of_columns_is_an_error() -> None:
    findings = check_document(doc(table(2, 3, 2, 1)))

    assert [finding.rule for finding in findings] == ["adf_validation.ragged_table"] * 2
    assert [finding.path for finding in findings] == [
        "/content/0/content/1",
        "/content/0/content/3",
    ]


def test_cells_that_span_columns_and_rows_count_where_they_reach() -> None:
    spanning = table(1, 1, 1)
    first, second, third = spanning["content"]
    tall = {"type": "tableCell", "attrs": {"rowspan": 2}, "content": [line()]}
    broad = {"type": "tableCell", "attrs": {"colspan": 2}, "content": [line()]}
    first["content"] = [tall, *first["content"]]
    third["content"] = [broad]

    assert second["content"] == [{"type": "tableCell", "content": [line()]}]
    assert rules(doc(spanning)) == []


def test_an_id_used_twice_is_an_error() -> None:
    document = doc({**line(), "attrs": {"localId": "a"}}, {**line(), "attrs": {"localId": "a"}})

    (finding,) = check_document(document)

    assert finding.rule == "adf_validation.duplicate_local_id"
    assert finding.path == "/content/1/attrs/localId"


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "/node/1", "", "http:"]
)
def test_a_link_that_is_neither_web_nor_mail_is_an_error(address: str) -> None:
    linked = line(marks=[{"type": "link", "attrs": {"href": address}}])
    card = {"type": "blockCard", "attrs": {"url": address}}

    assert rules(doc(linked, card)) == ["unsafe_link", "unsafe_link"]


@pytest.mark.parametrize("address", ["https://a.example", "HTTP://a.example", "mailto:a@b.example"])
def test_a_link_to_web_or_mail_is_accepted(address: str) -> None:
    assert rules(doc(line(marks=[{"type": "link", "attrs": {"href": address}}]))) == []


def test_a_description_longer_than_jira_stores_is_an_error() -> None:
    longest = doc(line("x" * (LONGEST_DESCRIPTION - 1)))
    longer = doc(line("x" * LONGEST_DESCRIPTION))

    assert stored_length(longest) == LONGEST_DESCRIPTION
    assert rules(longest) == []
    assert rules(longer) == ["too_long"]


def test_length_counts_marks_addresses_and_characters_beyond_the_basic_plane_twice() -> None:
    plain = stored_length(doc(line("x")))
    marked = doc(line("x", marks=[{"type": "strong"}]))
    linked = doc(line("x", marks=[{"type": "link", "attrs": {"href": "https://a.example"}}]))

    assert stored_length(marked) == plain + 2
    assert stored_length(linked) == plain + len("https://a.example") + 3
    assert stored_length(doc(line("😀"))) == plain + 1


def test_a_task_with_more_blocks_than_jira_shows_is_an_error() -> None:
    task = {
        "type": "blockTaskItem",
        "attrs": {"localId": "b", "state": "TODO"},
        "content": [line()] * 3,
    }

    assert rules(doc({"type": "taskList", "attrs": {"localId": "a"}, "content": [task]})) == [
        "task_blocks"
    ]


def test_a_document_nested_thousands_deep_is_checked_without_a_crash() -> None:
    inner = line()
    for _ in range(5000):
        inner = {"type": "bulletList", "content": [{"type": "listItem", "content": [inner]}]}

    assert rules(doc(inner)) == []
    assert rules(doc({**line(), "gadget": inner})) == ["property"]
