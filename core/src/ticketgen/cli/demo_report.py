"""What `ticketgen demo` says at its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markdown import Markdown
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from ticketgen.cli.printable import one_line, printable
from ticketgen.cli.rehearsals import write_files
from ticketgen.cli.showing import counted, say, say_findings
from ticketgen.console import out
from ticketgen.provides import RehearsalReport

__all__ = ["Made", "report"]

_SHOWN_FINDINGS = 3
_SHOWN_FIXES = 5
_FIXES = "manual-fixes.txt"


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a demo has come to."""

    summaries: dict[str, dict[str, Any]]
    """By task."""
    tickets: list[dict[str, Any]]
    sample: dict[str, Any]
    files: list[str]
    findings: list[dict[str, Any]]
    accepted: list[dict[str, Any]]
    rehearsed: RehearsalReport


def report(made: Made, file_count: int, folder: Path) -> None:
    """Show it, and write beside the exported files what is too long to be shown."""
    folder.mkdir(parents=True, exist_ok=True)
    generated = made.summaries["processing"]
    validated = made.summaries["adf_validation"]
    out.print()
    out.print(
        Panel(
            Markdown(printable(made.sample["description"]), hyperlinks=False),
            title=f"One of the tickets: {escape(one_line(made.sample['title']))}",
            title_align="left",
        )
    )
    groups = Counter(ticket["entity_group"] for ticket in made.tickets)
    table = _table("Tickets by group", ("Group", "Tickets"), groups.items())
    table.add_section()
    table.add_row("all", str(generated["tickets_generated"]))
    out.print(table)
    say(
        f"{file_count} files, {sum(generated['files'].values())} rows on tickets, "
        f"{generated['dependencies']} dependencies, "
        f"{generated['errors']} errors and {generated['warnings']} warnings found in the sheets."
    )
    _report_findings(made, folder)
    say(
        f"{validated['tickets_checked']} tickets converted to ADF and checked, "
        f"{validated['tickets_failed']} failed, {validated['warnings']} warnings."
    )
    _report_export(made, folder)


def _report_export(made: Made, folder: Path) -> None:
    exported = made.summaries["export"]
    said = f"{exported['tickets_exported']} tickets exported in order of work"
    if made.files:
        kinds = dict.fromkeys(name.partition("/")[0] for name in made.files)
        within = ", ".join(f"{kind}/" if kind not in made.files else kind for kind in kinds)
        said += f": {len(made.files)} files in {folder}/ ({within})"
    say(f"{said}.")
    rehearsed = made.rehearsed
    if rehearsed.columns:
        out.print(_table(rehearsed.title, rehearsed.columns, rehearsed.rows))
    for line in rehearsed.lines:
        say(line)
    for name in write_files(rehearsed, folder):
        say(f"  All of it is in {folder / name}.")
    _report_fixes(list(exported.get("manual_fixes") or []), folder)


def _report_fixes(fixes: list[str], folder: Path) -> None:
    """What a person has to mend by hand, first of all that it is nothing."""
    if not fixes:
        return
    say(f"{counted(len(fixes), 'thing')} to be mended by hand:")
    for fix in fixes[:_SHOWN_FIXES]:
        say(f"  {one_line(fix)}")
    if len(fixes) > _SHOWN_FIXES:
        name = folder / _FIXES
        name.write_text("".join(f"{one_line(fix)}\n" for fix in fixes), encoding="utf-8")
        say(f"  All of them are in {name}.")


def _report_findings(made: Made, folder: Path) -> None:
    """Keep all findings beside the tickets, show the first errors, and say what became of them."""
    name = folder / "findings.json"
    name.write_text(
        json.dumps(made.findings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    errors = [finding for finding in made.findings if finding["severity"] == "error"]
    say_findings(errors[:_SHOWN_FINDINGS])
    say(f"  All of them, with what to do, are in {name}.")
    for group in made.accepted:
        say(f"  Accepted as it is: {group['count']} × {group['title']} ({group['id']}).")
    if made.accepted:
        say(
            "  Errors stop a generation; the demo has accepted them, and the tickets concerned "
            "carry a note. In a session of your own, mend the sheets, or accept a group with "
            "`ticketgen findings accept`."
        )


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Table:
    headed = (escape(one_line(column)) for column in columns)
    table = Table(*headed, title=escape(one_line(title)), title_justify="left")
    for row in rows:
        table.add_row(*(escape(one_line(str(cell))) for cell in row))
    return table
