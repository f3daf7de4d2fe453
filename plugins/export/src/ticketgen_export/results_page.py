"""The results of an export as a page for a browser, and as rows for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import urlsplit

from ticketgen.provides import ExportedFile
from ticketgen_export.jira_csv import literal
from ticketgen_export.reporting import ExportReport, Sent, TicketOutcome

__all__ = ["COLUMNS", "result_rows", "results_files", "results_page"]

COLUMNS = (
    "position",
    "reference",
    "title",
    "state",
    "url",
    "sent_at",
    "completed_at",
    "manual_fixes",
)

_WORDS = {
    Sent.DONE: "there",
    Sent.INCOMPLETE: "there, not complete",
    Sent.UNDER_WAY: "under way",
    Sent.UNKNOWN: "not known",
    Sent.NOT_SENT: "not sent",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid #ccc;padding:.35rem "
    ".6rem;text-align:left;vertical-align:top}td:nth-child(1){font-variant-numeric:tabular-nums}"
    ".fix{background:#fff4d6}ul{margin:0;padding-left:1.1rem}"
)


def result_rows(report: ExportReport) -> Iterator[Sequence[object]]:
    """The header, then a row for each ticket; times are UTC (ISO 8601)."""
    yield COLUMNS
    for ticket in report.tickets:
        yield (
            ticket.position,
            ticket.reference,
            ticket.title,
            str(ticket.state),
            ticket.url,
            ticket.sent_at.isoformat(timespec="seconds") if ticket.sent_at else None,
            ticket.completed_at.isoformat(timespec="seconds") if ticket.completed_at else None,
            "\n".join(ticket.manual_fixes),
        )


def results_page(report: ExportReport, *, title: str) -> str:
    """One page of HTML that needs nothing beside it: no script, no picture, no other file."""
    to_mend = sum(bool(ticket.manual_fixes) for ticket in report.tickets)
    counts = ", ".join(
        f"{report.count(state)} {words}" for state, words in _WORDS.items() if report.count(state)
    )
    rows = "\n".join(_row(ticket) for ticket in report.tickets)
    heading = escape(title)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f"<style>{_STYLE}</style></head><body>\n"
        f"<h1>{heading}</h1>\n"
        f"<p>{len(report.tickets)} tickets to {escape(report.target)}, "
        f"{escape(report.place)}: {escape(counts)}. "
        f"{to_mend} need a person's hand.</p>\n"
        "<table><thead><tr><th>Issue</th><th>Ticket</th><th>State</th><th>Sent (UTC)</th>"
        f"<th>To be mended by hand</th></tr></thead><tbody>\n{rows}\n</tbody></table>\n"
        "</body></html>\n"
    )


def results_files(report: ExportReport, *, title: str) -> tuple[ExportedFile, ...]:
    """Both forms as files of the export."""
    written = io.StringIO()
    # With the mark by which spreadsheets know UTF-8, and CRLF (RFC 4180).
    csv.writer(written, lineterminator="\r\n").writerows(
        [literal("" if cell is None else str(cell)) for cell in row] for row in result_rows(report)
    )
    page = results_page(report, title=title)
    return (
        ExportedFile(
            name="results.csv",
            media_type="text/csv; charset=utf-8",
            content=b"\xef\xbb\xbf" + written.getvalue().encode("utf-8", "replace"),
        ),
        ExportedFile(
            name="results.html",
            media_type="text/html; charset=utf-8",
            content=page.encode("utf-8", "replace"),
        ),
    )


def _row(ticket: TicketOutcome) -> str:
    fixes = "".join(f"<li>{escape(sentence)}</li>" for sentence in ticket.manual_fixes)
    sent = ticket.sent_at.strftime("%Y-%m-%d %H:%M:%S") if ticket.sent_at else ""
    marked = ' class="fix"' if ticket.manual_fixes else ""
    return (
        f"<tr{marked}><td>{_linked(ticket)}</td><td>{escape(ticket.title)}</td>"
        f"<td>{_WORDS[ticket.state]}</td><td>{sent}</td>"
        f"<td>{f'<ul>{fixes}</ul>' if fixes else ''}</td></tr>"
    )


def _linked(ticket: TicketOutcome) -> str:
    reference = escape(ticket.reference or "–")
    if ticket.url and urlsplit(ticket.url).scheme in {"http", "https"}:
        return f'<a href="{escape(ticket.url, quote=True)}">{reference}</a>'
    return reference
