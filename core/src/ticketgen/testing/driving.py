"""Drives a host in a test: calls its API, and runs what is queued through the real runner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from ticketgen.domain import task_runs
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.leases import LeaseKeeper, WorkerIdentity
from ticketgen.offering import offer_of
from ticketgen.opening import open_plugins
from ticketgen.ports import Role
from ticketgen.progress import ProgressMessage, channel_of_run
from ticketgen.runner import Runner
from ticketgen.runtime import Runtime

__all__ = [
    "Api",
    "drain",
    "progress_of",
    "run_to_end",
    "run_until_settled",
    "start_session",
    "started_runs",
    "working",
]


@dataclass(frozen=True, kw_only=True)
class Api:
    """A client of a host's API, as a member, with the tokens to be somebody else."""

    client: httpx2.AsyncClient
    runtime: Runtime
    token: str
    """Of a member called `mia`, whom the client speaks for."""
    admin_token: str
    """Of an administrator called `ada`."""
    other_token: str
    """Of another member, called `otto`."""

    @staticmethod
    def bearing(token: str) -> dict[str, str]:
        """The header that speaks for the owner of a token."""
        return {"Authorization": f"Bearer {token}"}

    @property
    def as_admin(self) -> dict[str, str]:
        """Headers of the administrator."""
        return self.bearing(self.admin_token)

    @property
    def as_other(self) -> dict[str, str]:
        """Headers of the other member."""
        return self.bearing(self.other_token)


async def start_session(api: Api, files: Mapping[str, bytes] | None = None, **site: Any) -> str:
    """Begin a session over the API, upload the files, and give its id."""
    answer = await api.client.post("/api/sessions", json={"name": "Harbour Museum", **site})
    answer.raise_for_status()
    session_id = str(answer.json()["id"])
    if files:
        uploaded = await api.client.post(
            f"/api/sessions/{session_id}/uploads",
            files=[("files", (name, content, "text/csv")) for name, content in files.items()],
        )
        uploaded.raise_for_status()
    return session_id


@asynccontextmanager
async def working(runtime: Runtime) -> AsyncIterator[Runner]:
    """A runner whose leases are kept, as in a worker process: runs can be cancelled, too."""
    worker = WorkerIdentity(id=uuid7(), max_jobs=1)
    runner = Runner(runtime, worker_id=worker.id, worker=worker.name)
    keeper = LeaseKeeper(
        settings=runtime.settings,
        worker=worker,
        offer=partial(offer_of, runtime.registry),
        hands=runner.hands,
        settler=runtime.settler,
    )
    async with open_plugins(runtime, Role.WORKER), keeper.running():
        yield runner


async def run_to_end(runtime: Runtime, run_id: UUID) -> TaskRun:
    """Run one queued run once, through the real runner, and give it as it stands then."""
    async with working(runtime) as runner:
        await runner.run(run_id)
    async with runtime.session_factory() as db:
        return await task_runs.get_run(db, run_id)


async def run_until_settled(runtime: Runtime, run_id: UUID) -> TaskRun:
    """Run one run through the real runner until it has ended, and give it as it stands then.

    A wait before a retry is cut short. A run that was parked is given as it is.
    """
    while True:
        run = await run_to_end(runtime, run_id)
        if run.state is not RunState.QUEUED:
            return run
        async with runtime.session_factory() as db:
            await db.execute(
                update(TaskRun).where(TaskRun.id == run_id).values(available_at=run.created_at)
            )
            await db.commit()


async def started_runs(
    runtime: Runtime, *, task_type: str | None = None, session_id: UUID | str | None = None
) -> list[TaskRun]:
    """The runs that were started, the first first: of everything, of a task type, of a session."""
    query = select(TaskRun).order_by(TaskRun.created_at, TaskRun.id)
    if task_type is not None:
        query = query.where(TaskRun.task_type == task_type)
    if session_id is not None:
        query = query.where(TaskRun.session_id == UUID(str(session_id)))
    async with runtime.session_factory() as db:
        return list(await db.scalars(query))


async def progress_of(runtime: Runtime, run: TaskRun) -> list[ProgressMessage]:
    """What watchers of the run were sent, its ending included; at most ten messages a second."""
    entries = await runtime.redis.xrange(f"{channel_of_run(run)}:stream")
    messages = [ProgressMessage.model_validate_json(fields[b"message"]) for _, fields in entries]
    return [message for message in messages if message.task_id == run.id]


async def drain(runtime: Runtime) -> list[TaskRun]:
    """Run everything that is queued and due, one after another, until nothing is."""
    done: list[TaskRun] = []
    async with working(runtime) as runner:
        while True:
            async with runtime.session_factory() as db:
                due = await db.scalar(
                    select(TaskRun.id)
                    .where(
                        TaskRun.state == RunState.QUEUED, TaskRun.id.not_in([r.id for r in done])
                    )
                    .order_by(TaskRun.created_at)
                    .limit(1)
                )
            if due is None:
                return done
            await runner.run(due)
            async with runtime.session_factory() as db:
                done.append(await task_runs.get_run(db, due))
