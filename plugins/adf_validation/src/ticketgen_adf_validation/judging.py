"""Everything that is wrong with a document: by the grammar, and by every contributed check.

The grammar is a contributed check too, for those who judge a document without this plugin. Here it
is asked first and once, and the others only of what it found to be a document at all, so that each
may rely on the outer shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from ticketgen import Finding, Severity
from ticketgen.provides import AdfCheck
from ticketgen_adf_validation.characters import CHARACTERS
from ticketgen_adf_validation.checking import GRAMMAR, check_grammar
from ticketgen_adf_validation.jira_rules import JIRA_RULES

__all__ = ["OwnedCheck", "has_outer_shape", "judge"]

OwnedCheck = tuple[str, AdfCheck]
"""A check, and before it the name of the plugin that brings it."""

_OWN = (JIRA_RULES, CHARACTERS)

_log = structlog.get_logger(__name__)


def judge(document: object, checks: Sequence[OwnedCheck]) -> tuple[Finding, ...]:
    """Promise every problem of a document; none means that nobody objects to it.

    First comes what breaks the grammar, then what each check says, in their order. A check that
    fails becomes a warning that names it, and harms neither the others nor the document: each gets
    a copy to itself, but for those of this plugin, which change nothing.
    """
    findings = list(check_grammar(document))
    if isinstance(document, dict) and has_outer_shape(document):
        for plugin, check in checks:
            if check is GRAMMAR:
                continue
            findings += _asked(plugin, check, document)
    return tuple(findings)


def has_outer_shape(document: Mapping[str, Any]) -> bool:
    """Promise whether it is a document on the outside: of that type, and with a list in it."""
    return document.get("type") == "doc" and isinstance(document.get("content"), list)


def _asked(plugin: str, check: AdfCheck, document: dict[str, Any]) -> Sequence[Finding]:
    try:
        is_own = any(check is own for own in _OWN)
        findings = check.check(document if is_own else _copied(document))
        if not isinstance(findings, Sequence) or not all(
            isinstance(finding, Finding) for finding in findings
        ):
            raise TypeError(f"a check answers a sequence of Finding, not {findings!r:.200}")
    except (Exception, SystemExit):
        _log.exception("adf_check_failed", plugin=plugin, check=check.name)
        return (_failed(plugin, check),)
    return findings


def _copied(document: dict[str, Any]) -> dict[str, Any]:
    """A copy that a check may spoil; made without recursion, which hostile documents exhaust."""
    top = document.copy()
    waiting: list[dict[str, Any] | list[Any]] = [top]
    while waiting:
        container = waiting.pop()
        places = container.items() if isinstance(container, dict) else enumerate(container)
        for place, value in list(places):
            if isinstance(value, dict | list):
                copy = value.copy()
                container[place] = copy  # type: ignore[index,call-overload]
                waiting.append(copy)
    return top


def _failed(plugin: str, check: AdfCheck) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        rule=f"{plugin}.{check.name}_failed",
        message=f"The check {check.name} of plugin {plugin} failed.",
        remedy="Ask an administrator; the log names the cause.",
    )
