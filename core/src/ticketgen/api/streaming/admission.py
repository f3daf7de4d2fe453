"""Who may follow what: the web page that asks, the caller, and what the caller may see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import WebSocket
from fastapi.requests import HTTPConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse

from ticketgen.api.deps import refuse_foreign, refuse_foreign_run
from ticketgen.api.problems import problem_of
from ticketgen.database import DatabaseUnavailableError, new_id
from ticketgen.domain import sessions, task_runs, tokens
from ticketgen.domain.users import User
from ticketgen.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    TicketgenError,
)
from ticketgen.runtime import Runtime
from ticketgen.streams.positions import Position, read_position
from ticketgen.streams.topics import RunTopic, SessionTopic, Topic

__all__ = [
    "DASHBOARD_CHANNEL",
    "Wanted",
    "admitted_topic",
    "authenticated",
    "deny",
    "position_asked",
    "require_origin",
]

DASHBOARD_CHANNEL = "dashboard"
"""What a pass for the dashboard's socket is made for; no channel of a run has such a name."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stream as its address names it: a session's task, or one run."""

    session_id: UUID | None = None
    task_type: str | None = None
    run_id: UUID | None = None

    async def topic(self, db: AsyncSession) -> Topic:
        """What is to be followed.

        Raises:
            NotFoundError: there is no such run.
        """
        if self.run_id is not None:
            return RunTopic.of(await task_runs.get_run(db, self.run_id))
        assert self.session_id is not None  # noqa: S101 - one of the two is named
        assert self.task_type is not None  # noqa: S101
        return SessionTopic(task_type=self.task_type, session_id=self.session_id)


def require_origin(connection: HTTPConnection, allowed: tuple[str, ...]) -> None:
    """Refuse web pages of other sites; programs send no Origin.

    Raises:
        PermissionDeniedError: the origin is neither ours nor allowed.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in allowed:
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if host and host == connection.headers.get("host"):
        return
    raise PermissionDeniedError(
        "This web page may not open streams.",
        recovery_actions=["An administrator can allow it in TICKETGEN_ALLOWED_ORIGINS."],
    )


def position_asked(connection: HTTPConnection) -> Position | None:
    """Where the client says that it stands: `Last-Event-ID`, or `after` in the address.

    Raises:
        InvalidInputError: it is no position.
    """
    # A browser that comes back by itself repeats the address, with the `after` it began with.
    newest = connection.headers.get("last-event-id")
    return read_position(newest or connection.query_params.get("after"))


async def authenticated(
    connection: HTTPConnection, runtime: Runtime, wanted: Wanted | None
) -> User:
    """Who opens the stream, by `Authorization: Bearer` or by `?pass=`; None: the dashboard's.

    Raises:
        AuthenticationError: there are no credentials, or they are not good.
        DatabaseUnavailableError: nobody can say so at present.
    """
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    stream_pass = connection.query_params.get("pass")
    async with _database(runtime) as db:
        if scheme.lower() == "bearer" and secret:
            user = await tokens.authenticate(db, secret.strip())
        elif stream_pass:
            channel = DASHBOARD_CHANNEL if wanted is None else await _channel(db, wanted)
            user = await tokens.open_stream_pass(db, secret=stream_pass, channel=channel)
        else:
            raise AuthenticationError(
                "This stream needs a token or a stream pass.",
                recovery_actions=[
                    "Send `Authorization: Bearer <token>`, or get a pass with "
                    "POST /api/stream-passes."
                ],
            )
        await db.commit()
    return user


async def admitted_topic(runtime: Runtime, wanted: Wanted, user: User) -> Topic:
    """What the caller may follow.

    Raises:
        NotFoundError: there is no such session or run.
        PermissionDeniedError: it is somebody else's.
        DatabaseUnavailableError: nobody can say so at present.
    """
    async with _database(runtime) as db:
        if wanted.run_id is not None:
            run = await task_runs.get_run(db, wanted.run_id)
            await refuse_foreign_run(db, run, user)
            return RunTopic.of(run)
        topic = await wanted.topic(db)
        assert topic.session_id is not None  # noqa: S101 - a session's topic has one
        refuse_foreign(await sessions.get_session(db, topic.session_id), user)
        return topic


async def deny(websocket: WebSocket, error: TicketgenError) -> None:
    """Refuse the upgrade with an HTTP answer: a close code before accept reaches no client."""
    status = error.status
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    await websocket.send_denial_response(
        JSONResponse(
            problem_of(error, new_id()).model_dump(mode="json"),
            status_code=status,
            headers=headers,
            media_type="application/problem+json",
        )
    )


@asynccontextmanager
async def _database(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    try:
        async with runtime.session_factory() as db:
            yield db
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise DatabaseUnavailableError(
            "The database cannot be reached, or did not answer in time.",
            recovery_actions=["Try again in a moment."],
        ) from error


async def _channel(db: AsyncSession, wanted: Wanted) -> str:
    """The channel a pass has to be for; there can be none for a stream of nothing."""
    try:
        return (await wanted.topic(db)).channel
    except NotFoundError:
        return ""
