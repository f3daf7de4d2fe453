"""Streams progress to one client: from where the run stands to its ending, which always comes.

A stream is that of a session's task, whose newest run it shows and waits for, or that of one run.
The order matters: listen first, then look at the row, then send what was published since. What
is published in between is in the queue already, so nothing falls between status and
subscription. While the channel is silent the row is looked at again, so that an ending whose
message was lost still arrives.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from fastapi import WebSocket, WebSocketDisconnect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse

from ticketgen.api.deps import refuse_foreign, refuse_foreign_run
from ticketgen.api.problems import problem_of
from ticketgen.background import end_tasks
from ticketgen.database import DatabaseUnavailableError, new_id
from ticketgen.domain import sessions, task_runs, tokens
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.users import User
from ticketgen.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    TicketgenError,
)
from ticketgen.progress import (
    ProgressMessage,
    channel_of,
    channel_of_run,
    snapshot_message,
    terminal_message,
)
from ticketgen.progress_hub import ProgressHub
from ticketgen.runtime import Runtime

__all__ = [
    "CLOSE_FOREIGN",
    "CLOSE_OUT_OF_USE",
    "CLOSE_TRY_AGAIN",
    "CLOSE_UNKNOWN",
    "refuse_stream",
    "stream_run",
    "stream_session",
]

_log = structlog.get_logger(__name__)

CLOSE_FOREIGN = 4403
"""The session or run belongs to somebody else."""
CLOSE_UNKNOWN = 4404
"""There is no such session or run."""
CLOSE_OUT_OF_USE = 4503
"""The plugin that brings the task could not be loaded; the reason says why."""
CLOSE_TRY_AGAIN = 1013
"""The database is away; come back in a moment."""

_LOOK_SECONDS = 2.0

_LONGEST_REASON = 123
"""Bytes of a reason that the protocol has room for."""


@dataclass(frozen=True, kw_only=True)
class _SessionStream:
    """A session's stream of one task: of its newest run, or of the first that will be."""

    task_type: str
    session_id: UUID

    async def channel(self, db: AsyncSession) -> str:
        return channel_of(self.task_type, session_id=self.session_id)

    async def admit(self, db: AsyncSession, user: User) -> None:
        refuse_foreign(await sessions.get_session(db, self.session_id), user)

    async def find(self, db: AsyncSession) -> TaskRun | None:
        await sessions.get_session(db, self.session_id)
        return await task_runs.latest_run(db, session_id=self.session_id, task_type=self.task_type)

    def snapshot(self, run: TaskRun | None, last: ProgressMessage | None) -> ProgressMessage:
        return snapshot_message(run, last, task_type=self.task_type, session_id=self.session_id)


@dataclass(frozen=True, kw_only=True)
class _RunStream:
    """The stream of one run, whatever it is about; other runs' messages are not for it."""

    run_id: UUID

    async def channel(self, db: AsyncSession) -> str:
        return channel_of_run(await task_runs.get_run(db, self.run_id))

    async def admit(self, db: AsyncSession, user: User) -> None:
        await refuse_foreign_run(db, await task_runs.get_run(db, self.run_id), user)

    async def find(self, db: AsyncSession) -> TaskRun | None:
        return await task_runs.get_run(db, self.run_id)

    def snapshot(self, run: TaskRun | None, last: ProgressMessage | None) -> ProgressMessage:
        assert run is not None, "a run's stream has its run"  # noqa: S101
        return snapshot_message(run, last, task_type=run.task_type, session_id=run.session_id)


_Stream = _SessionStream | _RunStream


async def stream_session(websocket: WebSocket, *, task_type: str, session_id: UUID) -> None:
    """Serve one client of a session's channel until the run ends or the client leaves."""
    await _stream(websocket, _SessionStream(task_type=task_type, session_id=session_id))


async def stream_run(websocket: WebSocket, *, run_id: UUID) -> None:
    """Serve one client of a run until it ends or the client leaves."""
    await _stream(websocket, _RunStream(run_id=run_id))


async def refuse_stream(
    websocket: WebSocket, *, task_type: str, session_id: UUID, plugin: str
) -> None:
    """Tell a client why a task's plugin is out of use; to nobody who may not be here at all."""
    runtime: Runtime = websocket.app.state.runtime
    try:
        _require_origin(websocket, runtime.settings.allowed_origins)
        await _caller(
            websocket, runtime, _SessionStream(task_type=task_type, session_id=session_id)
        )
    except TicketgenError as error:
        await _deny(websocket, error)
        return
    await websocket.accept()
    problem = runtime.registry.problem_of(plugin)
    why = f"The plugin {plugin!r} is out of use: {problem.reason if problem else 'see its log'}"
    reason = why.encode(errors="replace")[:_LONGEST_REASON].decode(errors="ignore")
    await websocket.close(CLOSE_OUT_OF_USE, reason)


async def _stream(websocket: WebSocket, stream: _Stream) -> None:
    runtime: Runtime = websocket.app.state.runtime
    try:
        _require_origin(websocket, runtime.settings.allowed_origins)
        user = await _caller(websocket, runtime, stream)
    except TicketgenError as error:
        await _deny(websocket, error)
        return
    await websocket.accept()
    try:
        async with runtime.session_factory() as db:
            await stream.admit(db, user)
            channel = await stream.channel(db)
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        _log.warning("stream_without_database", error=str(error))
        await websocket.close(CLOSE_TRY_AGAIN, "The database is away; come back.")
        return
    except NotFoundError as error:
        await websocket.close(CLOSE_UNKNOWN, error.message)
        return
    except PermissionDeniedError as error:
        await websocket.close(CLOSE_FOREIGN, error.message)
        return
    await _serve(websocket, runtime, stream, channel)


def _require_origin(websocket: WebSocket, allowed: tuple[str, ...]) -> None:
    """Refuse web pages of other sites; programs send no Origin.

    Raises:
        PermissionDeniedError: the origin is neither ours nor allowed.
    """
    origin = websocket.headers.get("origin")
    if origin is None or origin in allowed:
        return
    try:
        host = urlsplit(origin).netloc
    except ValueError:
        host = ""
    if host and host == websocket.headers.get("host"):
        return
    raise PermissionDeniedError(
        "This web page may not open streams.",
        recovery_actions=["An administrator can allow it in TICKETGEN_ALLOWED_ORIGINS."],
    )


async def _caller(websocket: WebSocket, runtime: Runtime, stream: _Stream) -> User:
    """Who opens the stream, by `Authorization: Bearer` or by `?pass=`.

    Raises:
        AuthenticationError: there are no credentials, or they are not good.
    """
    scheme, _, secret = websocket.headers.get("authorization", "").partition(" ")
    stream_pass = websocket.query_params.get("pass")
    try:
        async with runtime.session_factory() as db:
            if scheme.lower() == "bearer" and secret:
                user = await tokens.authenticate(db, secret.strip())
            elif stream_pass:
                user = await _holder(db, stream_pass, stream)
            else:
                raise AuthenticationError(
                    "This stream needs a token or a stream pass.",
                    recovery_actions=[
                        "Send `Authorization: Bearer <token>`, or get a pass with "
                        "POST /api/stream-passes."
                    ],
                )
            await db.commit()
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise DatabaseUnavailableError(
            "The database cannot be reached, or did not answer in time.",
            recovery_actions=["Try again in a moment."],
        ) from error
    return user


async def _holder(db: AsyncSession, stream_pass: str, stream: _Stream) -> User:
    """Whom a pass for this stream stands for; there can be none for a stream of nothing."""
    try:
        channel = await stream.channel(db)
    except NotFoundError:
        channel = ""
    return await tokens.open_stream_pass(db, secret=stream_pass, channel=channel)


async def _deny(websocket: WebSocket, error: TicketgenError) -> None:
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


async def _serve(websocket: WebSocket, runtime: Runtime, stream: _Stream, channel: str) -> None:
    """Send and receive side by side: whoever ends first ends the other."""
    sender = asyncio.create_task(_send(websocket, runtime, stream, channel))
    receiver = asyncio.create_task(_wait_for_leave(websocket))
    try:
        await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        results = await end_tasks(sender, receiver)
    for result in results:
        if isinstance(result, NotFoundError):
            await websocket.close(CLOSE_UNKNOWN, "The session, or the run, was deleted.")
        elif isinstance(result, DBAPIError | PoolTimeoutError | OSError):
            _log.warning("stream_without_database", error=str(result))
            await websocket.close(CLOSE_TRY_AGAIN, "The database is away; come back.")
        elif isinstance(result, Exception) and not isinstance(
            result, WebSocketDisconnect | RuntimeError
        ):
            raise result


async def _wait_for_leave(websocket: WebSocket) -> None:
    """Return when the client has left; what it sends is of no interest."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        continue


async def _send(websocket: WebSocket, runtime: Runtime, stream: _Stream, channel: str) -> None:
    hub: ProgressHub = websocket.app.state.hub
    async with hub.listen(channel) as queue:
        run = await _look(runtime, stream, None)
        seen = await _send_snapshot(websocket, runtime, stream, channel, run)
        ending: ProgressMessage | None = None
        loop = asyncio.get_running_loop()
        look_at = loop.time() + _LOOK_SECONDS
        while run is None or run.is_active:
            before = run
            try:
                async with asyncio.timeout_at(look_at):
                    message = await queue.get()
            except TimeoutError:
                look_at = loop.time() + _LOOK_SECONDS
                run = await _look(runtime, stream, run)
                if run is not None and _moved(before, run):
                    seen = await _send_snapshot(websocket, runtime, stream, channel, run)
                continue
            if message.is_terminal:
                run = await _look(runtime, stream, run)
                if run is not None and run.id == message.task_id and not run.is_active:
                    ending = message
            elif _is_of(message, run) and _is_news(message, seen):
                # Only what this run says of itself puts off the look at its row.
                look_at = loop.time() + _LOOK_SECONDS
                await _send_message(websocket, message)
        # As it was published, number and all; made anew from the row if that never arrived.
        await _send_message(websocket, ending or terminal_message(run))
    await websocket.close(1000)


def _moved(before: TaskRun | None, run: TaskRun) -> bool:
    """Whether a run was parked or resumed meanwhile: no message of the run itself says so."""
    parked = before.parked if before is not None else None
    return run.is_active and run.parked != parked


def _is_of(message: ProgressMessage, run: TaskRun | None) -> bool:
    """Whether a message is about the run that is watched: a channel may carry several."""
    return run is None or message.task_id is None or message.task_id == run.id


def _is_news(message: ProgressMessage, seen: ProgressMessage) -> bool:
    """Whether a message came after the snapshot; in another epoch the numbers begin anew."""
    if message.epoch != seen.epoch or message.sequence is None or seen.sequence is None:
        return True
    return message.sequence > seen.sequence


async def _send_message(websocket: WebSocket, message: ProgressMessage) -> None:
    await websocket.send_text(message.model_dump_json())


async def _send_snapshot(
    websocket: WebSocket,
    runtime: Runtime,
    stream: _Stream,
    channel: str,
    run: TaskRun | None,
) -> ProgressMessage:
    """Say where the run stands; what is published after it is news."""
    snapshot = stream.snapshot(run, await runtime.publisher.last_message(channel))
    await _send_message(websocket, snapshot)
    return snapshot


async def _look(runtime: Runtime, stream: _Stream, run: TaskRun | None) -> TaskRun | None:
    """The run as it stands now: the one that is watched, even if a newer one has begun.

    Raises:
        NotFoundError: the session, or the run, has been deleted meanwhile.
    """
    async with runtime.session_factory() as db:
        if run is not None:
            return await task_runs.get_run(db, run.id)
        return await stream.find(db)
