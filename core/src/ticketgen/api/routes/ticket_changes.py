"""What every change of tickets has in common: when it may be, and that it is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path
from sqlalchemy import func

from ticketgen.api.deps import CurrentUser, LockedSession, Work
from ticketgen.domain import audit, sessions, task_runs, tickets
from ticketgen.domain.sessions import Stage, WorkSession
from ticketgen.domain.tickets import Ticket
from ticketgen.domain.users import User
from ticketgen.plugin import TICKETS_GROUP
from ticketgen.starting import TaskConflictError, UnitOfWork

__all__ = ["Review", "Reviewed", "TicketId", "told_value"]

_LONGEST_TOLD = 500
"""Characters of a value in the audit log at most."""

TicketId = Annotated[UUID, Path(description="The ticket's id.")]
"""The path parameter `ticket_id`."""


class Review:
    """A change of tickets of one session by one person, in the request's transaction."""

    def __init__(self, session: WorkSession, work: UnitOfWork, user: User) -> None:
        self.session = session
        self.work = work
        self._user = user

    async def ticket(self, ticket_id: UUID) -> Ticket:
        """A ticket of the session, locked.

        Raises:
            NotFoundError: the session has no such ticket.
        """
        return await tickets.get_ticket(
            self.work.db, session_id=self.session.id, ticket_id=ticket_id, lock=True
        )

    async def save(self, ticket: Ticket, action: str, details: Mapping[str, Any]) -> None:
        """Count a change of a ticket as an edit of it, and write it down."""
        ticket.revision += 1
        ticket.edited_at = func.clock_timestamp()
        self.record(action, ticket.key, {**details, "revision": ticket.revision})
        await self.work.db.flush()
        await self.work.db.refresh(ticket, ["edited_at"])

    def record(self, action: str, subject: str | None, details: Mapping[str, Any]) -> None:
        """Write a change down; every verdict on the session is stale."""
        sessions.bump_content(self.session)
        audit.record(
            self.work.db,
            action,
            actor_id=self._user.id,
            session_id=self.session.id,
            subject=subject,
            details=details,
        )


async def _review(session: LockedSession, work: Work, user: CurrentUser) -> Review:
    """A change of the tickets of the session in the path, which is locked, if it may be now.

    Raises:
        ConflictError: the session is in another stage.
        TaskConflictError: a run is at work on the tickets.
    """
    sessions.require_stage(session, Stage.REVIEW, Stage.JIRA_EXPORT, doing="Changing a ticket")
    run = await task_runs.find_active_run(
        work.db, session_id=session.id, conflict_group=TICKETS_GROUP
    )
    if run is not None:
        raise TaskConflictError(
            f"`{run.task_type}` is at work on the tickets.",
            recovery_actions=[f"Wait until the run {run.id} has ended."],
        )
    return Review(session, work, user)


Reviewed = Annotated[Review, Depends(_review, scope="function")]
"""What a route that changes tickets works with: it takes turns with all others of the session."""


def told_value(field: str, value: str | None) -> Any:
    """A value as the audit log keeps it: of a description its size and digest only."""
    if value is None or field != "description":
        return value if value is None else value[:_LONGEST_TOLD]
    return {"characters": len(value), "sha256": hashlib.sha256(value.encode()).hexdigest()}
