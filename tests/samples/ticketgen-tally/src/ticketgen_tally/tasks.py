"""The plugin's two tasks, and when the second starts by itself."""

from __future__ import annotations

from ticketgen import (
    Caller,
    Exclusivity,
    NoRequest,
    Schedule,
    StageMoves,
    StartContext,
    Subject,
    Task,
    TaskContext,
)
from ticketgen.domain import sessions
from ticketgen.domain.sessions import Stage
from ticketgen_tally.schemas import CountPayload, NightPayload, TallySummary
from ticketgen_tally.service import count_and_store, prepare_count

__all__ = ["SCHEDULES", "TASKS"]


async def _prepare(start: StartContext, request: NoRequest) -> CountPayload:
    return await prepare_count(start)


async def count_session(ctx: TaskContext, payload: CountPayload) -> TallySummary:
    """Count one session."""
    return await count_and_store(ctx, payload)


async def _prepare_night(start: StartContext, request: NoRequest) -> NightPayload:
    return NightPayload()


async def count_all(ctx: TaskContext, payload: NightPayload) -> dict[str, int]:
    """Start a count of each of the latest sessions that are in review."""
    async with ctx.transaction() as db:
        latest = await sessions.list_sessions(db, owner_id=None, limit=ctx.settings.nightly_limit)
    waiting = [session.id for session in latest if session.stage is Stage.REVIEW]
    for session_id in waiting:
        await ctx.start("tally", session_id=session_id)
    return {"sessions_started": len(waiting)}


TASKS = (
    Task(
        name="tally",
        summary="Count the words of a session's tickets and estimate the effort.",
        request=NoRequest,
        payload=CountPayload,
        prepare=_prepare,
        handler=count_session,
        job_name="tally_count_session_job",
        stages=StageMoves(allowed=(Stage.REVIEW, Stage.JIRA_EXPORT, Stage.COMPLETED)),
    ),
    Task(
        name="tally.nightly",
        summary="Count every session in review.",
        request=NoRequest,
        payload=NightPayload,
        prepare=_prepare_night,
        handler=count_all,
        job_name="tally_count_all_job",
        subject=Subject.NONE,
        startable_by=Caller.ADMIN,
        exclusivity=Exclusivity.TYPE,
    ),
)

SCHEDULES = (
    Schedule(
        name="nightly",
        task="tally.nightly",
        cron="20 2 * * *",
        summary="Count every session in review.",
    ),
)
