"""Findings by kind: of one rule, in one column of one file, which a person judges together."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ticketgen import Finding, Severity
from ticketgen_processing.naming import slug

__all__ = ["FindingGroup", "group_findings", "group_id_of", "identity_of"]

_MOST_VALUES = 20
_MOST_ROWS = 20
_LONGEST_PART = 25

_TITLES = {
    "processing.above_header": "rows stand above the header",
    "processing.control_character": "cells hold invisible control characters",
    "processing.cycle": "references go in a circle",
    "processing.duplicate": "the same component is defined more than once",
    "processing.duplicate_header": "a header stands above more than one column",
    "processing.encoding": "a file does not say its encoding",
    "processing.error_row": "rows hold only the error of a failed formula",
    "processing.extra_cell": "cells stand beyond the last header",
    "processing.failed_lookup": "lookups of a machine name failed",
    "processing.formula": "formulas stand in place of their values",
    "processing.invisible_character": "cells hold characters nobody sees",
    "processing.machine_name": "machine names are such as Drupal may refuse",
    "processing.merged_cells": "cells go over several rows",
    "processing.missing_column": "a required column is missing",
    "processing.missing_sheet": "a sheet that is referred to is missing",
    "processing.missing_title": "rows have no name",
    "processing.missing_value": "cells are empty that a component needs",
    "processing.no_machine_name": "no machine name is given",
    "processing.no_rows": "a sheet has no rows",
    "processing.parent": "rows belong to something that no sheet defines",
    "processing.quoting": "quotation marks stand inside a cell",
    "processing.reference": "names are defined in no sheet",
    "processing.sheet_left_out": "sheets of a workbook are no specification sheets",
    "processing.spreadsheet_error": "formulas failed",
    "processing.type_unsure": "the type of a sheet is not sure",
}


@dataclass(frozen=True, kw_only=True)
class FindingGroup:
    """All findings of one rule in one column of one file."""

    id: str
    """Short, and the same for every check of the same sheets: `reference-fields-3f2a51`."""
    rule: str
    severity: Severity
    """`error` if any of them is one."""
    file: str | None
    column: str | None
    title: str
    """What they have in common, in words."""
    remedy: str
    """Of the first one."""
    count: int
    rows: tuple[int, ...]
    """The first ones, in order."""
    values: tuple[tuple[str, int], ...]
    """What stands there and how often, the most frequent first; not more than 20."""
    suggestions: tuple[str, ...]
    """What was probably meant, for all of them together."""
    identities: Mapping[str, int]
    """Of every error in it, and how many share it; empty for warnings."""
    findings: tuple[Finding, ...]

    @property
    def place(self) -> str:
        """File and column, as far as there are any."""
        return ", ".join(filter(None, (self.file, self.column))) or "all files"


def group_findings(findings: Iterable[Finding]) -> tuple[FindingGroup, ...]:
    """The findings by kind: errors first, then by file and column, as the sheets have them."""
    gathered: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        gathered.setdefault(_kind(finding), []).append(finding)
    groups = [_group(found) for found in gathered.values()]
    return tuple(sorted(groups, key=lambda group: group.severity is not Severity.ERROR))


def group_id_of(finding: Finding) -> str:
    """The id of the group a finding belongs to."""
    kind = _kind(finding)
    rule, file, column = kind
    stem = file.rsplit("/", 1)[-1].rsplit(".", 1)[0].rsplit("_", 1)[-1]
    parts = [slug(part)[:_LONGEST_PART].strip("-") for part in (rule.split(".")[-1], stem, column)]
    return "-".join([*filter(None, parts), _digest(kind)[:6]]).replace("_", "-")


def identity_of(finding: Finding) -> str:
    """Equal for findings that say the same of the same value; the row does not matter.

    So an accepted error stays accepted when rows are inserted above it, and another wrong name in
    the same column is not accepted by it.
    """
    return _digest((*_kind(finding), finding.value or ""))[:24]


def _kind(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.file or "", finding.column or ""


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _group(findings: Sequence[Finding]) -> FindingGroup:
    first = findings[0]
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    values = Counter(finding.value for finding in findings if finding.value is not None)
    suggestions = dict.fromkeys(one for finding in findings for one in finding.suggestions)
    identities: Counter[str] = Counter()
    for error in errors:
        identities[identity_of(error)] += error.stands_for
    return FindingGroup(
        id=group_id_of(first),
        rule=first.rule,
        severity=Severity.ERROR if errors else Severity.WARNING,
        file=first.file,
        column=first.column,
        title=_TITLES.get(first.rule, first.message),
        remedy=first.remedy,
        count=sum(finding.stands_for for finding in findings),
        rows=tuple(finding.row for finding in findings if finding.row is not None)[:_MOST_ROWS],
        values=tuple(values.most_common(_MOST_VALUES)),
        suggestions=tuple(suggestions)[:_MOST_VALUES],
        identities=identities,
        findings=tuple(findings),
    )
