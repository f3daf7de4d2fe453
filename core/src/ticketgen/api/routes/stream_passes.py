"""Stream passes: a minute's access to one channel, for clients that cannot send a header."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from ticketgen.api import examples
from ticketgen.api.deps import CurrentUser, Work, problem_responses, refuse_foreign
from ticketgen.api.host import HostRuntime
from ticketgen.domain import sessions, tokens
from ticketgen.errors import InvalidInputError
from ticketgen.plugin import Subject
from ticketgen.progress import channel_of

__all__ = ["router"]

router = APIRouter(prefix="/api/stream-passes", tags=["progress"])


class PassRequest(BaseModel):
    """Which stream is to be opened."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "session_id": "019ac0de-0000-7000-8000-000000000000",
                    "task_type": "processing",
                }
            ]
        },
    )

    session_id: UUID
    task_type: str = Field(max_length=100, examples=["processing"])


class StreamPassView(BaseModel):
    """A pass and the address that it opens."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.STREAM_PASS]})

    url: str = Field(description="WebSocket address, pass included; do not log it.")
    channel: str
    expires_at: datetime


@router.post("", status_code=201, responses=problem_responses(403, 404, 422))
async def create_pass(
    wanted: PassRequest, request: Request, work: Work, user: CurrentUser, runtime: HostRuntime
) -> StreamPassView:
    """Make a pass for one channel; it may be used again until it expires."""
    session = await sessions.get_session(work.db, wanted.session_id)
    refuse_foreign(session, user)
    if runtime.registry.task(wanted.task_type).task.subject is not Subject.SESSION:
        raise InvalidInputError(
            f"The task {wanted.task_type!r} is not about a session and has no stream of one.",
            recovery_actions=["Name a task of the session, such as `processing`."],
        )
    channel = channel_of(wanted.task_type, session_id=session.id)
    stored, secret = await tokens.create_stream_pass(
        work.db, user=user, channel=channel, lifetime=runtime.settings.stream_pass_lifetime
    )
    address = request.url.replace(
        scheme="wss" if request.url.scheme == "https" else "ws",
        path=f"/api/{wanted.task_type}/progress/{session.id}",
        query=f"pass={secret}",
    )
    return StreamPassView(url=str(address), channel=channel, expires_at=stored.expires_at)
