"""The tickets as one CSV file that Jira's importer takes.

The importer reads a header row without punctuation and with a Summary column; as many cells in
every row as in the header; several columns of one name for a field of several values; people by
e-mail address; sprints by number; descriptions in wiki markup. In its second step a person says
which column is which field, so the names are the ones Jira shows: "Issue Id" is mapped to the
issue id, and every "Blocks" to the link type of that name.

A link column says what the issue of its row does to another, so "Blocks" lists the ids of the
tickets that depend on this one. Rows stand in dependency order.

Spreadsheets run a cell that begins with = + - @ (or their full-width twins), a tab or a line break
as a formula. A description is markup, so there the first sign is written as a character reference
or behind a line break, and Jira shows it unchanged. Other cells are literal to the importer: they
get a leading apostrophe, which is the one change that arrives in Jira; `tickets.jsonl` and the ADF
files keep the true title.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from ticketgen.provides import ExportTicket
from ticketgen_export.wiki_markup import escaped, wiki_markup

__all__ = ["LONGEST_DESCRIPTION", "LONGEST_SUMMARY", "jira_csv", "literal", "summary_of"]

LONGEST_SUMMARY = 255
"""Characters Jira takes of a summary, counted as it does: in UTF-16 units."""
LONGEST_DESCRIPTION = 32_767
"""Characters Jira takes of a description."""

_FIRST_COLUMNS = ("Summary", "Issue Type", "Issue Id", "Description", "Assignee", "Sprint")
_LABELS = "Labels"
_BLOCKS = "Blocks"
_OPENS_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
_UNFIT_FOR_LABEL = re.compile(r"\s+")


def jira_csv(
    tickets: Sequence[ExportTicket],
    *,
    file_of: Mapping[UUID, str],
    attached: Mapping[UUID, Sequence[str]] = MappingProxyType({}),
    issue_type: str = "Task",
) -> bytes:
    """Promise one row a ticket, in the order given, as UTF-8 with CRLF and quotes (RFC 4180).

    The importer takes attachments from web servers only. So the description of a ticket that has
    some (`attached`) ends with a sentence that names the files to attach by hand. A description
    too long for Jira is replaced by one that names the file with the whole of it: the attached
    one, or else that of `file_of`.
    """
    ids = {ticket.id: str(number) for number, ticket in enumerate(tickets, start=1)}
    blocked = _blocked_by(tickets, ids)
    labels = {ticket.id: _labels(ticket) for ticket in tickets}
    label_columns = max((len(names) for names in labels.values()), default=0)
    link_columns = max((len(names) for names in blocked.values()), default=0)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow([*_FIRST_COLUMNS, *[_LABELS] * label_columns, *[_BLOCKS] * link_columns])
    for ticket in tickets:
        writer.writerow(
            [
                literal(summary_of(ticket.title)),
                literal(issue_type),
                ids[ticket.id],
                _description(ticket, file_of.get(ticket.id, ""), attached.get(ticket.id, ())),
                literal(ticket.assignee or ""),
                literal(ticket.sprint or ""),
                *_filled([literal(label) for label in labels[ticket.id]], label_columns),
                *_filled(blocked[ticket.id], link_columns),
            ]
        )
    return _encodable(written.getvalue()).encode("utf-8")


def summary_of(title: str) -> str:
    """Promise a title on one line that Jira takes; a longer one ends in an ellipsis."""
    line = " ".join(title.split()) or "Untitled ticket"
    if _units(line) <= LONGEST_SUMMARY:
        return line
    kept = line[: LONGEST_SUMMARY - 1]
    while _units(kept) > LONGEST_SUMMARY - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _blocked_by(tickets: Sequence[ExportTicket], ids: Mapping[UUID, str]) -> dict[UUID, list[str]]:
    """For every ticket the rows that depend on it."""
    blocked: dict[UUID, list[str]] = {ticket.id: [] for ticket in tickets}
    for ticket in tickets:
        for needed in dict.fromkeys(ticket.depends_on):
            if needed in blocked:
                blocked[needed].append(ids[ticket.id])
    return blocked


def _labels(ticket: ExportTicket) -> list[str]:
    names = ("ticketgen", ticket.entity_group, ticket.csv_type)
    return list(dict.fromkeys(_UNFIT_FOR_LABEL.sub("-", name.strip()) for name in names if name))


def _filled(cells: Sequence[str], columns: int) -> list[str]:
    return [*cells, *[""] * (columns - len(cells))]


def literal(text: str) -> str:
    """The text on one line, with an apostrophe where a spreadsheet would run it as a formula."""
    line = " ".join(text.split())
    return f"'{line}" if line[:1] in _OPENS_FORMULA and line else line


def _description(ticket: ExportTicket, file: str, attached: Sequence[str]) -> str:
    markup = wiki_markup(ticket.document)
    if attached:
        markup += f"\n\nTo be attached to this issue by hand: {escaped(', '.join(attached))}"
    if _units(markup) > LONGEST_DESCRIPTION:
        file = next(iter(attached), file)
        return f"The description is longer than Jira takes. The whole of it is in the file {file}."
    if not markup or markup[0] not in _OPENS_FORMULA:
        return markup
    if markup.startswith("----"):
        return f"\\\\\n{markup}"
    return f"&#{ord(markup[0])};{markup[1:]}"


def _encodable(text: str) -> str:
    """The text without NUL and lone surrogates, which no UTF-8 file and no importer takes."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)
