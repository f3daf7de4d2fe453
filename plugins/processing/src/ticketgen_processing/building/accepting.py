"""What a ticket says of errors in its rows that a person wants to stay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ticketgen import Finding, Severity
from ticketgen_processing.building.drafts import Draft
from ticketgen_processing.grouping import identity_of

__all__ = ["note_accepted"]


def note_accepted(
    drafts: Sequence[Draft], findings: Iterable[Finding], accepted: frozenset[str]
) -> None:
    """Note every accepted error on the draft its row belongs to; one of a whole file on each."""
    if not accepted:
        return
    by_row: dict[tuple[str, int], Draft] = {}
    by_file: dict[str, dict[int, Draft]] = defaultdict(dict)
    for index, draft in enumerate(drafts):
        rows = [draft.row] if draft.row is not None else []
        for row in (*rows, *(row for children in draft.children.values() for row in children)):
            by_row[row.file, row.row] = draft
            by_file[row.file][index] = draft
    for finding in findings:
        if finding.severity is not Severity.ERROR or identity_of(finding) not in accepted:
            continue
        file = finding.file or ""
        own = by_row.get((file, finding.row or 0))
        for draft in [own] if own is not None else by_file[file].values():
            _note(draft, finding)


def _note(draft: Draft, finding: Finding) -> None:
    place = f"{finding.file}, row {finding.row}" if finding.row else f"{finding.file}"
    column = f"“{finding.column}”, " if finding.column else ""
    is_said = not finding.value or f"“{finding.value}”" in finding.message
    value = "" if is_said else f" It says “{finding.value}”."
    note = f"Accepted with an error ({column}{place}): {finding.message}{value}"
    if note not in draft.notes:
        draft.notes.append(note)
