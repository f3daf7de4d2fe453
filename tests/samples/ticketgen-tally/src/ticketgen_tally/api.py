"""The plugin's own routes: the start by its own name, the estimates, and what a point means."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from ticketgen.api.deps import (
    CurrentUser,
    OwnedSession,
    TaskStarted,
    Work,
    problem_responses,
    service,
    started_answer,
    state,
)
from ticketgen_tally import counts
from ticketgen_tally.errors import NotCountedError
from ticketgen_tally.estimating import Scale
from ticketgen_tally.schemas import ScaleView, SessionCounts, TicketCount
from ticketgen_tally.service import TallyService

__all__ = ["public_router", "router"]

router = APIRouter()
public_router = APIRouter()


@router.post(
    "/count/{session_id}", status_code=202, responses=problem_responses(403, 404, 409, 422)
)
async def count_session(
    session: OwnedSession,
    user: CurrentUser,
    tally: Annotated[TallyService, service(TallyService)],
) -> TaskStarted:
    """Start a count of the session's tickets."""
    return started_answer(await tally.count(session.id, user=user))


@router.get("/counts/{session_id}", responses=problem_responses(403, 404))
async def show_counts(session: OwnedSession, work: Work) -> SessionCounts:
    """Show the estimates of the session's tickets, the longest first."""
    found = await counts.list_counts(work.db, session.id)
    if not found:
        raise NotCountedError(
            "The session has not been counted.",
            recovery_actions=["Start POST /api/tally/count/{session_id}."],
        )
    return SessionCounts(
        words=sum(count.words for count in found),
        points=sum(count.points for count in found),
        tickets=[TicketCount.model_validate(count) for count in found],
    )


@public_router.get("/scale")
async def show_scale(scale: Annotated[Scale, state]) -> ScaleView:
    """Say what a point means, to whoever reads an estimate."""
    return ScaleView(words_per_point=scale.words_per_point)
