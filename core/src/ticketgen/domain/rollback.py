"""Taking a session back to an earlier stage: what would go and what would stay, and doing it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.domain import sessions, stages, tickets, uploads, validations
from ticketgen.domain.session_contents import (
    DoneElsewhere,
    counts_of,
    done_elsewhere,
    edited_titles,
    file_digests,
    remains_of,
)
from ticketgen.domain.sessions import Stage, WorkSession

__all__ = ["NAMED_TICKETS", "RollbackImpact", "roll_back", "rollback_impact"]

NAMED_TICKETS = 200
"""So many edited tickets are named at most; they are counted exactly."""


@dataclass(frozen=True, kw_only=True)
class RollbackImpact:
    """What a rollback would do, as things stand."""

    session_id: UUID
    stage: Stage
    """Where the session stands."""
    to: Stage
    tickets_deleted: int
    edited_deleted: int
    """Of them, how many a person has changed."""
    edited_titles: tuple[str, ...]
    dependencies_deleted: int
    validations_deleted: int
    files_deleted: tuple[str, ...]
    tickets_kept: int
    files_kept: int
    elsewhere: tuple[DoneElsewhere, ...]
    """What stays in other systems, whatever is deleted here."""
    exported_files: int
    """Files of exports, which stay."""
    confirm: str
    """Stands for exactly this impact: it is another one as soon as anything of it changes."""


async def rollback_impact(db: AsyncSession, session: WorkSession, to: Stage) -> RollbackImpact:
    """What taking the session back to that stage would do.

    Raises:
        RollbackRefusedError: that stage is not behind the session's.
    """
    stages.require_rollback(session, to)
    counts = (await counts_of(db, [session.id]))[session.id]
    remains = await remains_of(db, session.id)
    digests = await file_digests(db, session.id)
    elsewhere = tuple(await done_elsewhere(db, session.id))
    titles = await edited_titles(db, session.id, limit=NAMED_TICKETS)
    tickets_go, files_go = to is not Stage.REVIEW, to is Stage.SITE_INFO_COLLECTION
    return RollbackImpact(
        session_id=session.id,
        stage=session.stage,
        to=to,
        tickets_deleted=counts.tickets if tickets_go else 0,
        edited_deleted=counts.edited_tickets if tickets_go else 0,
        edited_titles=tuple(titles) if tickets_go else (),
        dependencies_deleted=remains.dependencies if tickets_go else 0,
        validations_deleted=remains.validations if tickets_go else 0,
        files_deleted=tuple(digests) if files_go else (),
        tickets_kept=0 if tickets_go else counts.tickets,
        files_kept=0 if files_go else counts.files,
        elsewhere=elsewhere,
        exported_files=remains.exported_files,
        confirm=_fingerprint(
            str(session.id),
            session.stage,
            to,
            session.content_revision,
            counts.tickets,
            counts.edited_tickets,
            remains.dependencies,
            remains.validations,
            remains.exported_files,
            digests,
            [[item.plugin, item.operation, item.done, item.unknown] for item in elsewhere],
        ),
    )


async def roll_back(db: AsyncSession, session: WorkSession, impact: RollbackImpact) -> None:
    """Do what the impact says.

    The session is locked, the impact was found under that lock, and no run is active.
    """
    if impact.to is not Stage.REVIEW:
        await validations.delete_validations(db, session.id)
        await tickets.delete_tickets(db, session.id)
        sessions.bump_content(session)
    if impact.to is Stage.SITE_INFO_COLLECTION:
        await uploads.delete_uploads(db, session.id)
    session.stage = impact.to
    sessions.touch(session)
    await db.flush()


def _fingerprint(*state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:32]
