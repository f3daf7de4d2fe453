"""What the plugin contributes."""

from __future__ import annotations

from pathlib import Path

from ticketgen import Finding, Lazy, Migrations, Plugin, Severity, hookimpl
from ticketgen.domain.tickets import Ticket
from ticketgen.provides import Commands, Shortcut
from ticketgen_export.errors import ERRORS
from ticketgen_export.file_target import FILE_TARGET
from ticketgen_export.jira.target import JIRA_TARGET
from ticketgen_export.jira_csv import LONGEST_SUMMARY, summary_of
from ticketgen_export.metrics import METRICS
from ticketgen_export.rehearsals import REHEARSALS
from ticketgen_export.service import ExportService
from ticketgen_export.settings import ExportSettings
from ticketgen_export.state import open_state
from ticketgen_export.stored import Base
from ticketgen_export.tasks import EXPORT_SESSION

__all__ = ["ticketgen_check_ticket", "ticketgen_plugin"]


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Exports, and the targets `file` and `jira`."""
    return Plugin(
        name="export",
        summary="Exports validated tickets in dependency order.",
        tasks=(EXPORT_SESSION,),
        router=Lazy("ticketgen_export.api:router"),
        public_router=Lazy("ticketgen_export.connections.api:public_router"),
        service=ExportService,
        provides=(
            FILE_TARGET,
            JIRA_TARGET,
            *METRICS,
            Commands(app=Lazy("ticketgen_export.commands:app")),
            Shortcut(name="jira-stub", command="jira-stub"),
            *REHEARSALS,
        ),
        settings=ExportSettings,
        lifespan=open_state,
        errors=ERRORS,
        migrations=Migrations(
            versions=Path(__file__).with_name("versions"), metadata=Base.metadata
        ),
    )


@hookimpl
async def ticketgen_check_ticket(ticket: Ticket) -> list[Finding]:
    """Warn of a title that Jira would not take as it is."""
    if summary_of(ticket.title) == ticket.title:
        return []
    return [
        Finding(
            severity=Severity.WARNING,
            rule="export.summary",
            message=f"Jira takes one line of {LONGEST_SUMMARY} characters as a summary.",
            remedy="Shorten the title; otherwise it is cut on export.",
            path="/title",
            value=ticket.title[:120],
        )
    ]
