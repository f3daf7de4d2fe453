"""Stopping everything of a session, and deleting it with all that belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.api.deps import CurrentUser, LockedSession, Work, problem_responses
from ticketgen.api.routes import session_examples
from ticketgen.api.routes.runs import RunView, view_run
from ticketgen.domain import audit, recovery, session_contents, sessions
from ticketgen.domain.session_contents import DoneElsewhere
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User
from ticketgen.starting import NotCancellableError, TaskConflictError, UnitOfWork

__all__ = ["CountsView", "ElsewhereView", "require_idle", "router", "stays_elsewhere"]

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["sessions"])


class CountsView(BaseModel):
    """How much work is in a session."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [session_examples.COUNTS]}
    )

    files: int
    file_bytes: int
    tickets: int
    edited_tickets: int = Field(description="Of which a person has changed anything.")
    validated: bool = Field(description="Whether a validation passed and nothing changed since.")


class ElsewhereView(BaseModel):
    """What one operation of a plugin did in another system; it stays, and so does the ledger."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [session_examples.ELSEWHERE]}
    )

    plugin: str
    operation: str
    done: int
    unknown: int = Field(description="Calls that may have done their work or not.")


class SessionStopped(BaseModel):
    """Which runs were asked to end, and which of them have ended already."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.STOPPING]})

    session_id: UUID
    cancelled: list[RunView] = Field(description="They waited, and have ended.")
    stopping: list[RunView] = Field(description="At work; they end as soon as they hear of it.")


class SessionDeletion(BaseModel):
    """What was deleted, and what stays; or what has to end before it can be."""

    model_config = ConfigDict(json_schema_extra={"examples": [session_examples.DELETION]})

    session_id: UUID
    name: str
    deleted: bool = Field(description="False: ask again when what is stopping has ended.")
    counts: CountsView = Field(description="What the session held.")
    elsewhere: list[ElsewhereView] = Field(description="What stays in other systems.")
    cancelled: list[RunView]
    stopping: list[RunView]
    remarks: list[str] = Field(description="The same, in sentences.")


@router.post("/cancel", status_code=202, responses=problem_responses(403, 404))
async def cancel_session(session: LockedSession, work: Work, user: CurrentUser) -> SessionStopped:
    """Cancel everything that waits or is at work in the session; nothing of it is no error."""
    cancelled, stopping = await _cancel_all(work, session, user)
    sessions.touch(session)
    return SessionStopped(session_id=session.id, cancelled=cancelled, stopping=stopping)


@router.delete(
    "",
    responses={
        **problem_responses(403, 404, 409),
        202: {
            "model": SessionDeletion,
            "description": "Not deleted yet: ask again when what is stopping has ended.",
        },
    },
)
async def delete_session(
    session: LockedSession,
    work: Work,
    user: CurrentUser,
    response: Response,
    cancel: Annotated[bool, Query(description="Also cancel what is at work in it.")] = False,
) -> SessionDeletion:
    """Delete a session with its files, tickets, verdicts, runs and what plugins keep of it.

    What was done in other systems stays there, and is still known to the ledger.
    """
    counts = (await session_contents.counts_of(work.db, [session.id]))[session.id]
    elsewhere = await session_contents.done_elsewhere(work.db, session.id)
    if not cancel:
        await require_idle(work.db, session, doing="Deleting it")
    cancelled, stopping = await _cancel_all(work, session, user)
    answer = SessionDeletion(
        session_id=session.id,
        name=session.name,
        deleted=not stopping,
        counts=CountsView.model_validate(counts),
        elsewhere=[ElsewhereView.model_validate(item) for item in elsewhere],
        cancelled=cancelled,
        stopping=stopping,
        remarks=_remarks(stopping, elsewhere),
    )
    if stopping:
        response.status_code = 202
        return answer
    audit.record(
        work.db,
        "session.deleted",
        actor_id=user.id,
        session_id=session.id,
        subject=session.name,
        details={
            **answer.counts.model_dump(),
            "owner_id": str(session.owner_id),
            "stage": session.stage,
            "elsewhere": [item.model_dump() for item in answer.elsewhere],
        },
    )
    await work.db.flush()
    await sessions.delete_session(work.db, session)
    return answer


async def require_idle(db: AsyncSession, session: WorkSession, *, doing: str) -> None:
    """Refuse what cannot be done while something is at work; the session is locked.

    Raises:
        TaskConflictError: a run of the session is active.
    """
    active = (await recovery.active_runs_of(db, [session.id]))[session.id]
    if not active:
        return
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(run.task_type for run in active))
    raise TaskConflictError(
        f"{doing} has to wait: {names} of this session has not ended.",
        recovery_actions=[
            "Wait until it has ended, or cancel it with POST /api/sessions/{session_id}/cancel."
        ],
        technical_details={"task_ids": [str(run.id) for run in active]},
    )


def stays_elsewhere(done: Sequence[DoneElsewhere]) -> list[str]:
    """Sentences about what other systems keep, whatever happens to the session."""
    sentences = [
        f"What {item.plugin} did elsewhere ({item.done} × {item.operation}) stays there, and in "
        "the ledger."
        for item in done
        if item.done
    ]
    unknown = sum(item.unknown for item in done)
    if unknown:
        sentences.append(
            f"Of {unknown} calls to other systems nobody knows whether they did their work; they "
            "stay in the ledger (`ticketgen effects list --unknown`)."
        )
    return sentences


async def _cancel_all(
    work: UnitOfWork, session: WorkSession, user: User
) -> tuple[list[RunView], list[RunView]]:
    """Cancel every active run; those that have ended by it, and those that are about to."""
    active = (await recovery.active_runs_of(work.db, [session.id]))[session.id]
    told: list[TaskRun] = []
    for run in active:
        # One that completes at this moment is not in the way any more.
        with suppress(NotCancellableError):
            told.append(await work.cancel(run.id, user=user))
    return (
        [view_run(run) for run in told if run.is_settled],
        [view_run(run) for run in told if run.is_active],
    )


def _remarks(stopping: Sequence[RunView], elsewhere: Sequence[DoneElsewhere]) -> list[str]:
    wait = ["Ask again when what is stopping has ended; nothing is deleted yet."]
    return [*(wait if stopping else []), *stays_elsewhere(elsewhere)]
