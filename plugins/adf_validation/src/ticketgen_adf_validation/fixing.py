"""What can be put right in a description without asking anybody, and nothing else.

A fix comes from the check that made the finding. Whatever a fix gives is judged again: it is kept
only if the problem is gone and no error has come in its place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from ticketgen import Finding, Severity
from ticketgen_adf_validation.documents import document_of
from ticketgen_adf_validation.judging import OwnedCheck, judge

__all__ = ["Mended", "certain_fix", "has_fix", "mended"]

_LONGEST = 200_000
"""Characters of a description, as everywhere a person writes one."""
_MOST_FIXES = 50
"""Of one description at once."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Mended:
    """A description after all certain fixes, and the rules of what was put right."""

    markdown: str
    rules: tuple[str, ...]


def has_fix(finding: Finding, checks: Sequence[OwnedCheck]) -> bool:
    """Promise whether the plugin of a finding brings any fix at all: a cheap first look."""
    return any(True for _ in _fixing(finding, checks))


def certain_fix(
    markdown: str, finding: Finding, checks: Sequence[OwnedCheck], *, key: str
) -> str | None:
    """Promise the description without one problem; None where it cannot be fixed for certain.

    A fix that raises, or gives what is no better, counts as none and is logged.
    """
    before = judge(document_of(markdown, key=key), checks)
    for plugin, check in _fixing(finding, checks):
        try:
            fixed = check.fix(markdown, finding) if check.fix is not None else None
        except (Exception, SystemExit):
            _log.exception("adf_fix_failed", plugin=plugin, check=check.name)
            continue
        if fixed is None or fixed == markdown:
            continue
        if _is_sound(fixed) and _is_better(
            before, judge(document_of(fixed, key=key), checks), finding.rule
        ):
            return fixed
        _log.warning("adf_fix_refused", plugin=plugin, check=check.name, rule=finding.rule)
    return None


def mended(
    markdown: str, checks: Sequence[OwnedCheck], *, key: str, rules: Collection[str] | None = None
) -> Mended:
    """Promise the description after every certain fix, of some rules or of all."""
    done: list[str] = []
    for _ in range(_MOST_FIXES):
        fix = _first_fix(markdown, checks, key, rules)
        if fix is None:
            break
        markdown, rule = fix
        done.append(rule)
    return Mended(markdown=markdown, rules=tuple(dict.fromkeys(done)))


def _first_fix(
    markdown: str, checks: Sequence[OwnedCheck], key: str, rules: Collection[str] | None
) -> tuple[str, str] | None:
    for finding in judge(document_of(markdown, key=key), checks):
        if rules is not None and finding.rule not in rules:
            continue
        fixed = certain_fix(markdown, finding, checks, key=key)
        if fixed is not None:
            return fixed, finding.rule
    return None


def _fixing(finding: Finding, checks: Sequence[OwnedCheck]) -> list[OwnedCheck]:
    owner = finding.rule.split(".", 1)[0]
    return [
        (plugin, check) for plugin, check in checks if plugin == owner and check.fix is not None
    ]


def _is_sound(markdown: object) -> bool:
    """Whether it is a text that can be stored and sent."""
    if not isinstance(markdown, str) or len(markdown) > _LONGEST or "\x00" in markdown:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in markdown)


def _is_better(before: Sequence[Finding], after: Sequence[Finding], rule: str) -> bool:
    return _count(after, rule) < _count(before, rule) and _errors(after) <= _errors(before)


def _count(findings: Sequence[Finding], rule: str) -> int:
    return sum(finding.rule == rule for finding in findings)


def _errors(findings: Sequence[Finding]) -> int:
    return sum(finding.severity is Severity.ERROR for finding in findings)
