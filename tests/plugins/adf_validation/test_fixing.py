"""What is fixed is what nobody would do otherwise, and a fix that is none changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.characters import CHARACTERS, character_findings
from ticketgen_adf_validation.converting import markdown_to_adf
from ticketgen_adf_validation.fixing import certain_fix, mended
from ticketgen_adf_validation.jira_rules import JIRA_RULES

OURS = [("adf_validation", JIRA_RULES), ("adf_validation", CHARACTERS)]


def fixed(markdown: str) -> str:
    return mended(markdown, OURS, key="k").markdown


def rules(markdown: str) -> list[str]:
    return [finding.rule for finding in character_findings(markdown_to_adf(markdown))]


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        ("`field_\u200bname`", "`field_name`"),
        ("soft\u00adware \u2060x", "software x"),
        ("don\x92t \x93quote\x94 \x96 5 \x80", "don’t “quote” – 5 €"),
        ("one\x0btwo", "one two"),
        ("bell\x07 and\x7f", "bell and"),
        ("\ufeff# Title\u200b", "# Title"),
        ("| a\u200b | b |\n|---|---|\n| \x85 | 2 |", "| a | b |\n|---|---|\n| … | 2 |"),
    ],
)
def test_characters_that_nobody_sees_are_taken_out_or_set_right(pasted: str, expected: str) -> None:
    assert rules(pasted)
    assert fixed(pasted) == expected
    assert rules(expected) == []


@pytest.mark.parametrize("markdown", ["*\u200b x", "-\u200b a", "\u200b# x", "`\u200b`"])
def test_a_character_that_keeps_a_sign_from_being_one_is_left_alone(markdown: str) -> None:
    assert rules(markdown) == ["adf_validation.invisible_character"]
    assert fixed(markdown) == markdown


@pytest.mark.parametrize(
    "markdown", ["ไทย\u200bไทย", "👩\u200d👩\u200d👧", "نمی\u200cخواهم", "a\tb"]
)
def test_characters_that_people_need_are_no_finding(markdown: str) -> None:
    assert rules(markdown) == []


def test_a_finding_counts_what_it_stands_for_and_points_at_the_first() -> None:
    first, second = character_findings(markdown_to_adf("fine\n\na\u200bb\ufeffc \x80"))

    assert (first.rule, first.value) == ("adf_validation.control_character", "U+0080")
    assert (second.path, second.value) == ("/content/1/content/0/text", "U+200B, U+FEFF")
    assert second.message == "The description has 2 invisible characters."


def test_only_the_rules_that_are_asked_for_are_put_right() -> None:
    done = mended("a\u200bb \x92", OURS, key="k", rules={"adf_validation.control_character"})

    assert done.markdown == "a\u200bb ’"
    assert done.rules == ("adf_validation.control_character",)


def _loud(document: Any) -> list[Finding]:
    text = str(document)
    return [
        Finding(severity=Severity.WARNING, rule="acme.loud", message="Loud.", remedy="Hush.")
        for _ in range(text.count("LOUD"))
    ]


def _check(fix: Any) -> list[tuple[str, AdfCheck]]:
    return [("acme", AdfCheck(name="tone", summary="Listens.", check=_loud, fix=fix)), *OURS]


def _found() -> Finding:
    return _loud("LOUD")[0]


def test_the_fix_of_another_plugin_is_made_as_often_as_it_helps() -> None:
    quieter = _check(lambda markdown, finding: markdown.replace("LOUD", "quiet", 1))

    done = mended("LOUD and LOUD", quieter, key="k")

    assert done.markdown == "quiet and quiet"
    assert done.rules == ("acme.loud",)


@pytest.mark.parametrize(
    "fix",
    [
        None,
        lambda markdown, finding: None,
        lambda markdown, finding: markdown,
        lambda markdown, finding: markdown + " LOUD",
        lambda markdown, finding: "",
        lambda markdown, finding: "nul \x00",
        lambda markdown, finding: "half \ud800",
        lambda markdown, finding: 7,
        lambda markdown, finding: "x" * 200_001,
        lambda markdown, finding: 1 // 0,
    ],
)  # fmt: skip
def test_a_fix_that_is_none_or_makes_it_worse_is_not_made(fix: Any) -> None:
    assert certain_fix("LOUD words", _found(), _check(fix), key="k") is None
    assert mended("LOUD words", _check(fix), key="k").rules == ()


def test_a_plugin_fixes_its_own_findings_only() -> None:
    finding = Finding(severity=Severity.WARNING, rule="other.loud", message="L.", remedy="H.")

    checks = _check(lambda markdown, finding: "quiet")

    assert certain_fix("LOUD", finding, checks, key="k") is None
