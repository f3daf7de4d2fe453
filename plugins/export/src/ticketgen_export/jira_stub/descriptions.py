"""Whether a description is a document Jira stores: its length, and the checks it is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ticketgen import Severity
from ticketgen.provides import AdfCheck

__all__ = ["LONGEST_DESCRIPTION", "is_too_long", "length", "problems"]

LONGEST_DESCRIPTION = 32_767

_BLOCKS = frozenset(
    {"paragraph", "heading", "codeBlock", "listItem", "tableRow", "tableCell", "tableHeader"}
)


def length(document: Mapping[str, Any]) -> int:
    """Characters of text, and one for each block: less than what Jira stores, never more."""
    count = 0
    waiting: list[Any] = [document]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Mapping):
            continue
        text = node.get("text")
        count += len(text) if isinstance(text, str) else 0
        count += node.get("type") in _BLOCKS
        content = node.get("content")
        waiting.extend(content if isinstance(content, list) else ())
    return count


def problems(document: Mapping[str, Any], checks: Iterable[AdfCheck]) -> list[str]:
    """What the checks call an error, as `rule at path`; warnings are Jira's to take."""
    return [
        f"{finding.rule} at {finding.path or '/'}: {finding.message}"
        for check in checks
        for finding in check.check(document)
        if finding.severity is Severity.ERROR and not finding.rule.endswith(".too_long")
    ]


def is_too_long(document: Mapping[str, Any], checks: Iterable[AdfCheck]) -> bool:
    """Whether it is longer than Jira stores, by our count or that of one of the checks."""
    if length(document) > LONGEST_DESCRIPTION:
        return True
    return any(
        finding.severity is Severity.ERROR and finding.rule.endswith(".too_long")
        for check in checks
        for finding in check.check(document)
    )
