"""Another system, which counts what is created in it, and attempts that create there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, update

from tests.core import lab
from ticketgen import TaskContext
from ticketgen.domain import effects
from ticketgen.domain.effects import Effect, EffectName, EffectState
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.ports import RunIdentity
from ticketgen.runtime import Runtime

TIMEOUT = timedelta(minutes=5)
"""No machine is so slow that a call is stopped by it."""
BRIEF = timedelta(seconds=1)
"""For calls that are to be too late."""
MARGIN = timedelta(seconds=0.05)


class Elsewhere:
    """Creates things; `created` has the key of each, twice if it was created twice."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.looked_up = 0
        self.before: Callable[[], Awaitable[None]] = pause
        """What happens before something is created, and after; each may raise."""
        self.after: Callable[[], Awaitable[None]] = pause

    async def create(self, key: str) -> dict[str, Any]:
        await self.before()
        self.created.append(key)
        number = len(self.created)
        await self.after()
        return {"number": number}

    async def find(self, key: str) -> dict[str, Any] | None:
        self.looked_up += 1
        await pause()
        return {"number": self.created.index(key) + 1} if key in self.created else None


async def pause() -> None:
    await asyncio.sleep(0)


def raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


async def do(
    ctx: TaskContext, there: Elsewhere, key: str = "one", *, find: bool = True, **options: Any
) -> Any:
    """Create the thing of that key, at most once."""
    return await ctx.effect(
        "create",
        key,
        lambda: there.create(key),
        look_up=(lambda: there.find(key)) if find else None,
        **({"timeout": TIMEOUT} | options),
    )


async def new_attempt(runtime: Runtime, run: TaskRun | None = None) -> TaskContext:
    """The context of a further attempt of the run, whose present one is overtaken, or of a new."""
    run = run or await lab.start(runtime)
    async with runtime.session_factory() as db:
        attempt = await db.scalar(
            update(TaskRun)
            .where(TaskRun.id == run.id)
            .values(attempt=TaskRun.attempt + 1, state=RunState.RUNNING)
            .returning(TaskRun.attempt)
        )
        await db.commit()
    assert attempt is not None
    unused: Any = None
    return TaskContext(
        run=RunIdentity(
            id=run.id,
            task_type=run.task_type,
            session_id=run.session_id,
            lineage_id=run.lineage_id,
            requested_by=None,
            attempt=attempt,
            tries=attempt,
        ),
        settings=unused,
        contributions=unused,
        hooks=unused,
        vault=unused,
        session_factory=runtime.session_factory,
        progress=unused,
        start=unused,
        start_many=unused,
    )


def name_of(key: str = "one") -> EffectName:
    return EffectName(plugin="lab", operation="create", key=key)


async def ledger(runtime: Runtime, key: str = "one") -> Effect | None:
    async with runtime.session_factory() as db:
        return await effects.read_effect(db, name_of(key))


async def intended(
    runtime: Runtime,
    key: str = "one",
    *,
    over_in: timedelta = timedelta(seconds=-1),
    session_id: UUID | None = None,
) -> None:
    """What a dead attempt leaves: an intention, and nobody who knows what came of it."""
    run = await lab.start(runtime)
    async with runtime.session_factory() as db:
        await effects.begin_effect(
            db, name_of(key), session_id=session_id, run_id=run.id, attempt=1, lasts=TIMEOUT
        )
        await db.commit()
    await over(runtime, key, within=over_in)


async def over(
    runtime: Runtime, key: str = "one", *, within: timedelta = timedelta(seconds=-1)
) -> None:
    """As if the time in which a call may still do something had passed, or will so soon."""
    async with runtime.session_factory() as db:
        await db.execute(
            update(Effect)
            .where(Effect.key == key, Effect.state == EffectState.INTENDED)
            .values(over_at=func.clock_timestamp() + within)
        )
        await db.commit()
