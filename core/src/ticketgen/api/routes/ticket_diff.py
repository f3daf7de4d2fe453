"""What a person has changed of a ticket's words, beside what was generated."""

from __future__ import annotations

import asyncio
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api.deps import OwnedSession, Work, problem_responses
from ticketgen.api.diffing import CONTEXT, LineKind, compare, unified
from ticketgen.api.routes import ticket_examples
from ticketgen.api.routes.ticket_changes import TicketId
from ticketgen.domain import tickets
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import ConflictError

__all__ = ["GeneratedTextUnknownError", "require_generated", "router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])


class GeneratedTextUnknownError(ConflictError):
    """The ticket was edited before generated texts were kept."""

    code = "generated_text_unknown"


class DiffLineView(BaseModel):
    """A line, and what happened to it."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [ticket_examples.DIFF_LINE]}
    )

    kind: LineKind
    text: str


class HunkView(BaseModel):
    """A place where the texts differ; `old` is the generated one, and the first line is line 1."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [ticket_examples.HUNK]}
    )

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: list[DiffLineView] = Field(description=f"With {CONTEXT} lines around what differs.")


class TitleDiff(BaseModel):
    """The generated title and the present one."""

    model_config = ConfigDict(json_schema_extra={"examples": [ticket_examples.TITLE_DIFF]})

    generated: str
    now: str
    differs: bool


class DescriptionDiff(BaseModel):
    """What differs in the description, line by line."""

    model_config = ConfigDict(json_schema_extra={"examples": [ticket_examples.DESCRIPTION_DIFF]})

    differs: bool
    removed: int = Field(description="Lines of the generated text that are gone.")
    added: int = Field(description="Lines that were not in it.")
    exact: bool = Field(
        description="False: too much is in another order to be told apart; what lies between the "
        "ends that are the same is shown as removed and added."
    )
    left_out: int = Field(description="Lines at the end that are not shown: there are too many.")
    hunks: list[HunkView]


class TicketDiff(BaseModel):
    """How a ticket's words differ from what was generated."""

    model_config = ConfigDict(json_schema_extra={"examples": [ticket_examples.DIFF]})

    ticket_id: UUID
    key: str
    revision: int
    is_edited: bool
    title: TitleDiff
    description: DescriptionDiff
    unified: list[str] = Field(
        description="The difference of the descriptions as lines of a unified diff; empty if there "
        "is none."
    )


@router.get("/{ticket_id}/diff", responses=problem_responses(403, 404, 409))
async def diff_ticket(ticket_id: TicketId, session: OwnedSession, work: Work) -> TicketDiff:
    """Compare what a ticket says with what was generated."""
    ticket = await tickets.get_ticket(work.db, session_id=session.id, ticket_id=ticket_id)
    require_generated(ticket)
    # In a thread: two long texts in another order keep a processor busy for a second.
    found = await asyncio.to_thread(compare, ticket.generated_description, ticket.description)
    return TicketDiff(
        ticket_id=ticket.id,
        key=ticket.key,
        revision=ticket.revision,
        is_edited=ticket.is_edited,
        title=TitleDiff(
            generated=ticket.generated_title,
            now=ticket.title,
            differs=ticket.title != ticket.generated_title,
        ),
        description=DescriptionDiff(
            differs=bool(found.removed or found.added),
            removed=found.removed,
            added=found.added,
            exact=found.exact,
            left_out=found.left_out,
            hunks=[HunkView.model_validate(hunk) for hunk in found.hunks],
        ),
        unified=unified(found),
    )


def require_generated(ticket: Ticket) -> None:
    """Refuse what needs the generated text of a ticket, if that is not known.

    Raises:
        GeneratedTextUnknownError: it was edited before such texts were kept.
    """
    if ticket.generated_title or ticket.generated_description:
        return
    raise GeneratedTextUnknownError(
        "What was generated for this ticket is not known: it was edited before such texts were "
        "kept.",
        recovery_actions=[
            "Have it written anew with POST /api/processing.regenerate/start/{session_id}, which "
            "keeps the edits if you ask for it."
        ],
    )
