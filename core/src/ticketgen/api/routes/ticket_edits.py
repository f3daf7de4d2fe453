"""Editing a ticket, and taking the edits of its words back; nobody overwrites somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ticketgen.api.deps import problem_responses
from ticketgen.api.problems import SupersededError
from ticketgen.api.routes.history import HistoryEntry
from ticketgen.api.routes.ticket_changes import Review, Reviewed, TicketId, told_value
from ticketgen.api.routes.ticket_diff import require_generated
from ticketgen.api.routes.ticket_views import TicketView, view_ticket
from ticketgen.api.texts import LongText, ShortText
from ticketgen.domain import audit
from ticketgen.domain.generated_tickets import EDIT_OUTDATED
from ticketgen.domain.tickets import Ticket
from ticketgen.errors import InvalidInputError

__all__ = ["router"]

router = APIRouter(prefix="/api/sessions/{session_id}/tickets", tags=["tickets"])

_FIELDS = ("title", "description", "assignee", "sprint")

_CHANGES_TOLD = 20
"""Of what happened since a revision, so many changes are told at most."""


def _with_line_feeds(text: str) -> str:
    """The same with line feeds only: what a form sends is no edit of every line."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


Markdown = Annotated[LongText, AfterValidator(_with_line_feeds)]


class TicketEdit(BaseModel):
    """The parts of a ticket that are to change, and the revision they were read at."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"revision": 1, "title": "Content type: Event"}]},
    )

    revision: int = Field(description="The ticket's revision the edit is based on.")
    title: ShortText | None = None
    description: Markdown | None = None
    assignee: ShortText | None = Field(default=None, description="Null: nobody.")
    sprint: ShortText | None = Field(default=None, description="Null: none.")


class TicketRevert(BaseModel):
    """The revision whose words are to be the generated ones again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"revision": 2}]})

    revision: int = Field(description="The ticket's revision the caller has read.")


@router.patch("/{ticket_id}", responses=problem_responses(403, 404, 409, 422))
async def edit_ticket(ticket_id: TicketId, edit: TicketEdit, review: Reviewed) -> TicketView:
    """Edit a ticket; the session's validation is stale from then on.

    The edit says which revision it is based on. If somebody else was faster nothing is changed,
    and the answer (409) has both versions as `current`: `now` and `wanted`, the fields in which
    they are `differing`, and the `changes` since with who made them. An edit after which the ticket
    would say what it says already is none: nothing is counted.
    """
    ticket = await review.ticket(ticket_id)
    wanted = edit.model_dump(exclude_unset=True, exclude={"revision"})
    _require_sense(wanted)
    await _change(review, ticket, "ticket.edited", wanted, revision=edit.revision)
    return await view_ticket(review.work.db, ticket)


@router.post("/{ticket_id}/revert", responses=problem_responses(403, 404, 409, 422))
async def revert_ticket(ticket_id: TicketId, request: TicketRevert, review: Reviewed) -> TicketView:
    """Take the edits of title and description back: they are as generated again.

    Assignee, sprint, order and dependencies stay. If somebody else was faster nothing is changed,
    and the answer (409) has both versions as `current`.
    """
    ticket = await review.ticket(ticket_id)
    require_generated(ticket)
    wanted = {"title": ticket.generated_title, "description": ticket.generated_description}
    await _change(review, ticket, "ticket.reverted", wanted, revision=request.revision)
    return await view_ticket(review.work.db, ticket)


async def _change(
    review: Review, ticket: Ticket, action: str, wanted: Mapping[str, Any], *, revision: int
) -> None:
    before = {field: getattr(ticket, field) for field in _FIELDS}
    changed = {field: value for field, value in wanted.items() if value != before[field]}
    if not changed:
        return
    if ticket.revision != revision:
        raise await _superseded(review, ticket, wanted, revision)
    for field, value in changed.items():
        setattr(ticket, field, value)
    if changed.keys() & {"title", "description"}:
        # Whoever changes the words has seen what they are beside.
        ticket.notes = [note for note in ticket.notes if note != EDIT_OUTDATED]
    await review.save(
        ticket,
        action,
        {
            "fields": sorted(changed),
            "before": {field: told_value(field, before[field]) for field in changed},
            "after": {field: told_value(field, value) for field, value in changed.items()},
        },
    )


def _require_sense(wanted: Mapping[str, Any]) -> None:
    if not wanted:
        raise InvalidInputError(
            "The edit changes nothing.",
            recovery_actions=["Name at least one field beside `revision`."],
        )
    for field in ("title", "description"):
        if wanted.get(field, "") is None:
            raise InvalidInputError(
                f"{field} cannot be null.", recovery_actions=["Leave it out to keep it as it is."]
            )


async def _superseded(
    review: Review, ticket: Ticket, wanted: Mapping[str, Any], revision: int
) -> SupersededError:
    """Both versions, and who made the one that is there, as far as the log goes back."""
    now = {field: getattr(ticket, field) for field in _FIELDS}
    since = max(0, min(ticket.revision - revision, _CHANGES_TOLD))
    lines = await audit.list_entries(
        review.work.db, review.session.id, subject=ticket.key, limit=_CHANGES_TOLD
    )
    changes = [line for line in lines if _revision_made(line.details) > revision][:since]
    by = f" {changes[0].actor} changed it." if changes and changes[0].actor else ""
    return SupersededError(
        f"The ticket is at revision {ticket.revision}; the edit is based on {revision}.{by} "
        "Nothing was overwritten.",
        current={
            "revision": ticket.revision,
            "based_on": revision,
            "now": now,
            "wanted": dict(wanted),
            "differing": sorted(field for field in wanted if wanted[field] != now[field]),
            "changes": [
                HistoryEntry.model_validate(line).model_dump(mode="json") for line in changes
            ],
        },
        recovery_actions=[
            "Compare `current.now` with `current.wanted`, and repeat the edit with "
            f"`revision` {ticket.revision} as far as it is still wanted."
        ],
    )


def _revision_made(details: Mapping[str, Any]) -> int:
    """The revision that a change left; a change of many tickets tells what it found."""
    made, found = details.get("revision"), details.get("before")
    if isinstance(made, int):
        return made
    before = found.get("revision") if isinstance(found, dict) else None
    return before + 1 if isinstance(before, int) else 0
