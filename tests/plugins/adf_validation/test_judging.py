from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.characters import CHARACTERS
from ticketgen_adf_validation.checking import GRAMMAR
from ticketgen_adf_validation.jira_rules import JIRA_RULES
from ticketgen_adf_validation.judging import judge
from ticketgen_adf_validation.plugin import ticketgen_plugin

LINE = {"type": "paragraph", "content": [{"type": "text", "text": "words"}]}


def _doc(*content: Any) -> dict[str, Any]:
    return {"version": 1, "type": "doc", "content": list(content)}


def _check(check: Any, name: str = "tone") -> tuple[str, AdfCheck]:
    return "acme", AdfCheck(name=name, summary="Listens.", check=check)


def _objection(document: Mapping[str, Any]) -> list[Finding]:
    return [
        Finding(
            severity=Severity.ERROR,
            rule="acme.tone",
            message="It is too loud.",
            remedy="Whisper.",
            path="/content/0",
        )
    ]


def _raises(document: Mapping[str, Any]) -> list[Finding]:
    raise ZeroDivisionError


def _exits(document: Mapping[str, Any]) -> list[Finding]:
    raise SystemExit(3)


def _is_lazy(document: Mapping[str, Any]) -> Any:
    return (finding for finding in _objection(document))


def _babbles(document: Mapping[str, Any]) -> Any:
    return ["It is too loud."]


def _spoils(document: Any) -> list[Finding]:
    document["content"][0]["content"].clear()
    del document["content"]
    return []


def _own_checks() -> list[AdfCheck]:
    return [value for value in ticketgen_plugin().provides if isinstance(value, AdfCheck)]


@pytest.mark.parametrize("check", _own_checks(), ids=lambda check: check.name)
@pytest.mark.parametrize(
    "value",
    [None, True, 0.5, "doc", [], [[{}]], {}, {"type": ["doc"]}, {"type": "doc", "content": 7},
     {"type": "doc", "version": 1, "content": [None, {"type": {}, "attrs": [], "marks": {}}]},
     {"content": [{"type": "table", "content": [{"content": [{"attrs": {"colspan": "2"}}, 1]}]}]}],
)  # fmt: skip
def test_our_checks_take_any_json_at_all(check: AdfCheck, value: Any) -> None:
    assert all(isinstance(finding, Finding) for finding in check.check(value))


def test_what_the_grammar_says_is_said_once() -> None:
    document = _doc(LINE, {"type": "gadget"})

    findings = judge(document, [("adf_validation", check) for check in _own_checks()])

    assert [finding.rule for finding in findings] == ["adf_validation.unknown_node"]
    assert tuple(findings) == tuple(GRAMMAR.check(document))


def test_grammar_rules_and_characters_are_checks_like_those_of_others() -> None:
    assert _own_checks() == [GRAMMAR, JIRA_RULES, CHARACTERS]
    assert judge(_doc(), []) == ()
    assert [finding.rule for finding in judge(_doc(), [("adf_validation", JIRA_RULES)])] == [
        "adf_validation.empty_document"
    ]


def test_the_grammar_comes_first_and_then_every_check_in_its_turn() -> None:
    document = _doc({"type": "gadget"})

    findings = judge(document, [("adf_validation", JIRA_RULES), _check(_objection)])

    assert [finding.rule for finding in findings] == [
        "adf_validation.unknown_node",
        "adf_validation.empty_document",
        "acme.tone",
    ]


@pytest.mark.parametrize("check", [_raises, _exits, _is_lazy, _babbles])
def test_a_check_that_fails_is_a_warning_that_names_it_and_silences_no_other(check: Any) -> None:
    findings = judge(_doc(LINE), [_check(check), _check(_objection, "loudness")])

    assert [(finding.rule, finding.severity) for finding in findings] == [
        ("acme.tone_failed", Severity.WARNING),
        ("acme.tone", Severity.ERROR),
    ]
    assert "check tone of plugin acme" in findings[0].message


def test_a_check_that_spoils_its_document_spoils_a_copy() -> None:
    document = _doc(LINE)

    findings = judge(document, [_check(_spoils), ("adf_validation", JIRA_RULES)])

    assert findings == ()
    assert document == {"version": 1, "type": "doc", "content": [LINE]}
    assert LINE["content"]


@pytest.mark.parametrize("document", [None, [], {}, {"type": "doc", "content": "words"}])
def test_what_is_no_document_is_shown_to_no_check(document: object) -> None:
    findings = judge(document, [_check(_raises)])

    assert findings
    assert {finding.rule.split(".")[0] for finding in findings} == {"adf_validation"}
