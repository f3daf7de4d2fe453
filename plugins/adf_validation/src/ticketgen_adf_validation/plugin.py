"""What the plugin contributes."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen import Blocker, Lazy, Plugin, hookimpl
from ticketgen.domain.sessions import WorkSession
from ticketgen.provides import Commands
from ticketgen_adf_validation import service
from ticketgen_adf_validation.characters import CHARACTERS
from ticketgen_adf_validation.checking import GRAMMAR
from ticketgen_adf_validation.errors import (
    DocumentTooLargeError,
    NoDocumentError,
    NoTicketsError,
    TicketsBusyError,
)
from ticketgen_adf_validation.jira_rules import JIRA_RULES
from ticketgen_adf_validation.tasks import VALIDATE_ADF

__all__ = ["ticketgen_export_blockers", "ticketgen_plugin"]


@hookimpl
def ticketgen_plugin() -> Plugin:
    """Validation of tickets as ADF, and the gate before an export."""
    return Plugin(
        name="adf_validation",
        summary="Converts descriptions to ADF and checks them.",
        tasks=(VALIDATE_ADF,),
        router=Lazy("ticketgen_adf_validation.api:router"),
        service=service.AdfValidationService,
        provides=(
            GRAMMAR,
            JIRA_RULES,
            CHARACTERS,
            Commands(app=Lazy("ticketgen_adf_validation.commands:app")),
        ),
        errors=(DocumentTooLargeError, NoDocumentError, NoTicketsError, TicketsBusyError),
    )


@hookimpl
async def ticketgen_export_blockers(db: AsyncSession, session: WorkSession) -> list[Blocker]:
    """Let only validated sessions pass."""
    return await service.export_blockers(db, session)
