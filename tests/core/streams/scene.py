"""Runs that say and end what a test wants, and clients that write down what they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.progress import publish_progress, terminal_message
from ticketgen.runtime import Runtime
from ticketgen.streams.following import Following
from ticketgen.streams.parcels import Parcel
from ticketgen.streams.positions import Position
from ticketgen.streams.service import Streams
from ticketgen.streams.topics import RunTopic

__all__ = [
    "end_run",
    "new_runs",
    "next_parcels",
    "numbered",
    "opened",
    "placed",
    "remaining",
    "say",
    "settle",
    "subscribers",
    "to_the_ending",
]


@asynccontextmanager
async def opened(runtime: Runtime) -> AsyncIterator[Streams]:
    """The streams of a process."""
    async with Streams(runtime.redis, runtime.session_factory).running() as streams:
        yield streams


async def new_runs(runtime: Runtime, count: int, **values: Any) -> list[TaskRun]:
    """Runs at work, of no session."""
    runs = [
        TaskRun(
            **{
                "id": (run_id := uuid7()),
                "lineage_id": run_id,
                "task_type": "lab",
                "exclusivity_key": str(run_id),
                "state": RunState.RUNNING,
                "attempt": 1,
                **values,
            }
        )
        for _ in range(count)
    ]
    async with runtime.session_factory() as db:
        db.add_all(runs)
        await db.commit()
    return runs


async def say(runtime: Runtime, run: TaskRun, percentage: float, **more: Any) -> bool:
    """Publish progress of a run."""
    return await publish_progress(
        runtime.publisher,
        session_id=run.session_id,
        task_id=run.id,
        task_type=run.task_type,
        percentage=percentage,
        stage="Counting",
        attempt=1,
        **more,
    )


async def settle(runtime: Runtime, run_id: UUID) -> TaskRun:
    """Commit that a run has completed, and publish nothing."""
    async with runtime.session_factory() as db:
        stored = await db.get_one(TaskRun, run_id)
        stored.state = RunState.COMPLETED
        stored.result_summary = {"counted": 3}
        await db.commit()
        return stored


async def end_run(runtime: Runtime, run: TaskRun) -> None:
    """Commit that a run has completed, and then publish it."""
    assert await runtime.publisher.publish(terminal_message(await settle(runtime, run.id)))


async def next_parcels(following: Following) -> list[Parcel]:
    """What is sent next, without which a test fails after a minute."""
    async with asyncio.timeout(60):
        return await following.take()


async def to_the_ending(streams: Streams, run: TaskRun) -> list[Parcel]:
    """Everything a client is sent that attaches now."""
    seen: list[Parcel] = []
    async with streams.follow(RunTopic.of(run)) as following:
        while parcels := await next_parcels(following):
            seen += parcels
    return seen


async def subscribers(redis: Redis) -> list[dict[str, Any]]:
    """The connections that listen to channels."""
    return [client for client in await redis.client_list() if int(client["sub"]) > 0]


def numbered(parcels: list[Parcel]) -> list[tuple[str, int | None]]:
    """Types and numbers, in order."""
    return [(parcel.message.type, parcel.message.sequence) for parcel in parcels]


async def placed(runtime: Runtime, run: TaskRun, sequence: int) -> Position:
    """A position in the stream of a run as it is kept at present."""
    newest = await runtime.publisher.last_message(RunTopic.of(run).channel)
    assert newest is not None
    return Position(str(newest.epoch), sequence)


async def remaining(following: Following) -> list[Parcel]:
    """Everything to come, to the ending."""
    seen: list[Parcel] = []
    while parcels := await next_parcels(following):
        seen += parcels
    return seen
