"""Stream passes: a minute's access to one stream, for clients that cannot send a header."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ticketgen.api import examples
from ticketgen.api.deps import (
    CurrentUser,
    Work,
    problem_responses,
    refuse_foreign,
    refuse_foreign_run,
)
from ticketgen.api.host import HostRuntime
from ticketgen.api.streaming.admission import DASHBOARD_CHANNEL
from ticketgen.domain import sessions, task_runs, tokens
from ticketgen.domain.users import User
from ticketgen.errors import InvalidInputError
from ticketgen.plugin import Subject
from ticketgen.progress import channel_of, channel_of_run
from ticketgen.registry import Registry
from ticketgen.starting import UnitOfWork

__all__ = ["router"]

router = APIRouter(prefix="/api/stream-passes", tags=["progress"])

_AS_EVENTS = ("/progress", "/events")
"""How the address of a WebSocket becomes that of its events."""


class PassRequest(BaseModel):
    """Which stream is to be opened: that of a session's task, or that of one run."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "session_id": "019ac0de-0000-7000-8000-000000000000",
                    "task_type": "processing",
                },
                {"task_id": "019ac0de-0000-7000-8000-000000000001"},
                {"dashboard": True},
            ]
        },
    )

    session_id: UUID | None = Field(default=None, description="With `task_type`.")
    task_type: str | None = Field(default=None, max_length=100, examples=["processing"])
    task_id: UUID | None = Field(default=None, description="A run's id, instead of the other two.")

    dashboard: bool = Field(
        default=False, description="For `WS /api/progress`, instead of all of these."
    )

    @model_validator(mode="after")
    def _names_one_stream(self) -> Self:
        by_session = (self.session_id is not None, self.task_type is not None)
        is_whole = (self.task_id is not None) + self.dashboard
        if is_whole > 1 or by_session != ((False, False) if is_whole else (True, True)):
            raise ValueError(
                "name either session_id and task_type, or task_id alone, or dashboard alone"
            )
        return self


class StreamPassView(BaseModel):
    """A pass and the addresses that it opens."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.STREAM_PASS]})

    url: str = Field(description="WebSocket address, pass included; do not log it.")
    events_url: str | None = Field(
        description="The same as server-sent events; null for the dashboard, which has none."
    )
    channel: str
    expires_at: datetime


@router.post("", status_code=201, responses=problem_responses(403, 404, 422))
async def create_pass(
    wanted: PassRequest, request: Request, work: Work, user: CurrentUser, runtime: HostRuntime
) -> StreamPassView:
    """Make a pass for one stream; it may be used again until it expires."""
    if wanted.dashboard:
        channel, path = DASHBOARD_CHANNEL, "/api/progress"
    elif wanted.task_id is not None:
        channel, path = await _run_stream(work, user, wanted.task_id)
    else:
        channel, path = await _session_stream(work, user, runtime.registry, wanted)
    stored, secret = await tokens.create_stream_pass(
        work.db, user=user, channel=channel, lifetime=runtime.settings.stream_pass_lifetime
    )
    address = request.url.replace(path=path, query=f"pass={secret}")
    events = None if wanted.dashboard else address.replace(path=path.replace(*_AS_EVENTS))
    return StreamPassView(
        url=str(address.replace(scheme="wss" if request.url.scheme == "https" else "ws")),
        events_url=events and str(events),
        channel=channel,
        expires_at=stored.expires_at,
    )


async def _run_stream(work: UnitOfWork, user: User, run_id: UUID) -> tuple[str, str]:
    """Channel and path of a run's stream, if the caller may see it."""
    run = await task_runs.get_run(work.db, run_id)
    await refuse_foreign_run(work.db, run, user)
    return channel_of_run(run), f"/api/runs/{run.id}/progress"


async def _session_stream(
    work: UnitOfWork, user: User, registry: Registry, wanted: PassRequest
) -> tuple[str, str]:
    """Channel and path of the stream of a session's task, if the caller may see it."""
    assert wanted.session_id is not None  # noqa: S101 - the model has seen to both
    assert wanted.task_type is not None  # noqa: S101
    session = await sessions.get_session(work.db, wanted.session_id)
    refuse_foreign(session, user)
    # Also of a plugin that is out of use just now: its runs go on elsewhere, and so its streams.
    registered = registry.tasks.get(wanted.task_type) or registry.task(wanted.task_type)
    task = registered.task
    if task.subject is not Subject.SESSION:
        raise InvalidInputError(
            f"The task {task.name!r} is not about a session and has no stream of one.",
            recovery_actions=["Name one of its runs as `task_id`."],
        )
    return (
        channel_of(task.name, session_id=session.id),
        f"/api/{task.name}/progress/{session.id}",
    )
