"""A small plugin whose tasks end in every way there is, the same in memory and on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings

from ticketgen import (
    BlockingContext,
    Caller,
    Exclusivity,
    Host,
    Plugin,
    RetryPolicy,
    Schedule,
    StageMoves,
    StartContext,
    Subject,
    Task,
    TaskContext,
    in_thread,
)
from ticketgen.domain.sessions import Stage
from ticketgen.errors import NotFoundError, TemporaryError, UserFixableError

QUICK = timedelta(seconds=1.5)


class Ask(BaseModel):
    """What a start is asked."""

    how: str = "well"


class Kept(BaseModel):
    """What is stored."""

    schema_version: int = 1
    how: str
    pause: timedelta = timedelta(minutes=2)


class Elsewhere:
    """Another system: what was created in it, and how often it broke off afterwards."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.worked: list[str] = []

    async def create(self) -> dict[str, int]:
        self.created.append("one")
        if len(self.created) == 1:
            raise TemporaryError("The connection broke.")
        return {"number": len(self.created)}

    async def find(self) -> dict[str, int] | None:
        return {"number": 1} if self.created else None

    async def refuse(self) -> None:
        raise NotFoundError("There is no such project.")


class AcmeSettings(BaseSettings):
    """One setting."""

    prefix: str = Field(default="acme", description="First word.")


async def prepare(start: StartContext, request: Ask) -> Kept:
    if request.how == "never":
        raise NotFoundError("There is nothing to do.", recovery_actions=["Upload a file."])
    return Kept(how=request.how)


async def handle(ctx: TaskContext, payload: Kept) -> dict[str, Any]:
    there: Elsewhere = ctx.state
    how = payload.how
    await ctx.progress(12.345, "Beginning", path=("a", 1))
    if how == "user":
        raise UserFixableError("Rename the column.", recovery_actions=["Open the sheet."])
    if how == "bug":
        raise KeyError("no such key")
    if how == "once" and ctx.run.tries == 1:
        raise TemporaryError("Too busy.")
    if how == "exhausted":
        raise TemporaryError("Too busy.", recovery_actions=["Wait."])
    if how == "unjson":
        return {"at": Path("a/b"), "set": {1}, 7: float("inf"), "nul": "a\x00b"}  # type: ignore[dict-item]
    if how == "nested":
        return {"nested": BaseModel}
    if how == "start":
        first = await ctx.start("acme.thread")
        second = await ctx.start("acme.thread")
        return {"existing": [first.existing, second.existing]}
    if how == "start unknown":
        await ctx.start("elsewhere")
    return await _steps_and_effects(ctx, there, how)


async def _steps_and_effects(ctx: TaskContext, there: Elsewhere, how: str) -> dict[str, Any]:
    if how == "steps":
        found = await ctx.step("count", lambda: _work(there))
        if ctx.run.tries < 3:
            raise TemporaryError("Too busy.")
        return {"found": found, "worked": len(there.worked)}
    if how == "effect":
        made = await ctx.effect("create", "one", there.create, look_up=there.find, timeout=QUICK)
        return {"made": made, "created": len(there.created)}
    if how == "unknown":
        await ctx.effect("create", "one", there.create, timeout=QUICK)
    if how == "refused":
        await ctx.effect("create", "one", there.refuse, refused=(NotFoundError,), timeout=QUICK)
    return {"how": how, "prefix": ctx.settings.prefix, "attempt": ctx.run.attempt}


async def _work(there: Elsewhere) -> tuple[int, ...]:
    there.worked.append("count")
    return (1, 2)


def compute(ctx: BlockingContext, payload: Kept) -> dict[str, Any]:
    ctx.progress(50, "Half")
    value = ctx.step("half", lambda: 21)
    ctx.progress(75, "More")
    return {"answer": 2 * value}


async def prepare_thread(start: StartContext, request: Ask) -> Kept:
    return Kept(how=request.how)


async def linger(ctx: TaskContext, payload: Kept) -> dict[str, Any]:
    await asyncio.sleep(60)
    return {}


async def move(ctx: TaskContext, payload: Kept) -> dict[str, Any]:
    if payload.how == "user":
        raise UserFixableError("Rename the column.")
    return {"session": str(ctx.session_id)}


NO_SESSION: dict[str, Any] = {
    "subject": Subject.NONE,
    "exclusivity": Exclusivity.TYPE,
    "startable_by": Caller.ADMIN,
}
MAIN = Task(
    name="acme",
    summary="Does what the request says.",
    request=Ask,
    payload=Kept,
    prepare=prepare,
    handler=handle,
    job_name="acme_job",
    retry=RetryPolicy(max_tries=3, base=timedelta(seconds=8), limit=timedelta(seconds=10)),
    **NO_SESSION,
)
THREAD = Task(
    name="acme.thread",
    summary="Computes.",
    request=Ask,
    payload=Kept,
    prepare=prepare_thread,
    handler=in_thread(compute),
    job_name="acme_thread_job",
    **NO_SESSION,
)
SLOW = Task(
    name="acme.slow",
    summary="Never ends.",
    request=Ask,
    payload=Kept,
    prepare=prepare,
    handler=linger,
    job_name="acme_slow_job",
    timeout=timedelta(seconds=0.3),
    **NO_SESSION,
)
MOVING = Task(
    name="acme.session",
    summary="Moves a session.",
    request=Ask,
    payload=Kept,
    prepare=prepare,
    handler=move,
    job_name="acme_session_job",
    stages=StageMoves(allowed=(Stage.REVIEW,), on_success=Stage.COMPLETED, on_failure=Stage.UPLOAD),
)
NIGHT = Schedule(
    name="night", task="acme", cron="30 2 * * *", zone="Europe/Berlin", summary="Every night."
)


def acme_plugin(there: Elsewhere) -> Plugin:
    @asynccontextmanager
    async def lifespan(host: Host) -> AsyncIterator[Elsewhere]:
        yield there

    return Plugin(
        name="acme",
        summary="Ends in every way there is.",
        tasks=(MAIN, THREAD, SLOW, MOVING),
        schedules=(NIGHT,),
        settings=AcmeSettings,
        lifespan=lifespan,
    )
