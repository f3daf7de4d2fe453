"""Streams progress to one client: from where the run stands to its ending, which always comes.

The order matters: listen first, then look at the row, then send what was published since. What
is published in between is in the queue already, so nothing falls between status and
subscription. While the channel is silent the row is looked at again, so that an ending whose
message was lost still arrives.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from fastapi import WebSocket, WebSocketDisconnect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.responses import JSONResponse

from ticketgen.api.deps import refuse_foreign
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
from ticketgen.progress import ProgressMessage, channel_of, snapshot_message, terminal_message
from ticketgen.progress_hub import ProgressHub
from ticketgen.runtime import Runtime

__all__ = ["CLOSE_FOREIGN", "CLOSE_TRY_AGAIN", "CLOSE_UNKNOWN", "stream_session"]

_log = structlog.get_logger(__name__)

CLOSE_FOREIGN = 4403
"""The session belongs to somebody else."""
CLOSE_UNKNOWN = 4404
"""There is no such session."""
CLOSE_TRY_AGAIN = 1013
"""The database is away; come back in a moment."""

_LOOK_SECONDS = 2.0


async def stream_session(websocket: WebSocket, *, task_type: str, session_id: UUID) -> None:
    """Serve one client of a session's channel until the run ends or the client leaves."""
    runtime: Runtime = websocket.app.state.runtime
    channel = channel_of(task_type, session_id=session_id)
    try:
        _require_origin(websocket, runtime.settings.allowed_origins)
        user = await _caller(websocket, runtime, channel)
    except TicketgenError as error:
        await _deny(websocket, error)
        return
    await websocket.accept()
    try:
        async with runtime.session_factory() as db:
            refuse_foreign(await sessions.get_session(db, session_id), user)
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
    await _serve(websocket, runtime, task_type=task_type, session_id=session_id)


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


async def _caller(websocket: WebSocket, runtime: Runtime, channel: str) -> User:
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
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        raise DatabaseUnavailableError(
            "The database cannot be reached, or did not answer in time.",
            recovery_actions=["Try again in a moment."],
        ) from error
    return user


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


async def _serve(
    websocket: WebSocket, runtime: Runtime, *, task_type: str, session_id: UUID
) -> None:
    """Send and receive side by side: whoever ends first ends the other."""
    sender = asyncio.create_task(
        _send(websocket, runtime, task_type=task_type, session_id=session_id)
    )
    receiver = asyncio.create_task(_wait_for_leave(websocket))
    try:
        await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        results = await end_tasks(sender, receiver)
    for result in results:
        if isinstance(result, NotFoundError):
            await websocket.close(CLOSE_UNKNOWN, "The session was deleted.")
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


async def _send(
    websocket: WebSocket, runtime: Runtime, *, task_type: str, session_id: UUID
) -> None:
    hub: ProgressHub = websocket.app.state.hub
    channel = channel_of(task_type, session_id=session_id)
    async with hub.listen(channel) as queue:
        run = await _latest(runtime, task_type, session_id)
        last = await runtime.publisher.last_message(channel)
        seen = snapshot_message(run, last, task_type=task_type, session_id=session_id)
        await _send_message(websocket, seen)
        ending: ProgressMessage | None = None
        while run is None or run.is_active:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    message = await queue.get()
            except TimeoutError:
                run = await _present(runtime, run, task_type, session_id)
                continue
            if message.is_terminal:
                run = await _present(runtime, run, task_type, session_id)
                if run is not None and run.id == message.task_id and not run.is_active:
                    ending = message
            elif _is_news(message, seen):
                await _send_message(websocket, message)
        # As it was published, number and all; made anew from the row if that never arrived.
        await _send_message(websocket, ending or terminal_message(run))
    await websocket.close(1000)


def _is_news(message: ProgressMessage, seen: ProgressMessage) -> bool:
    """Whether a message came after the snapshot; in another epoch the numbers begin anew."""
    if message.epoch != seen.epoch or message.sequence is None or seen.sequence is None:
        return True
    return message.sequence > seen.sequence


async def _send_message(websocket: WebSocket, message: ProgressMessage) -> None:
    await websocket.send_text(message.model_dump_json())


async def _present(
    runtime: Runtime, run: TaskRun | None, task_type: str, session_id: UUID
) -> TaskRun | None:
    """The run as it stands now: the one that is watched, even if a newer one has begun.

    Raises:
        NotFoundError: the session has been deleted meanwhile.
    """
    async with runtime.session_factory() as db:
        if run is not None:
            return await task_runs.get_run(db, run.id)
        await sessions.get_session(db, session_id)
        return await task_runs.latest_run(db, session_id=session_id, task_type=task_type)


async def _latest(runtime: Runtime, task_type: str, session_id: UUID) -> TaskRun | None:
    async with runtime.session_factory() as db:
        return await task_runs.latest_run(db, session_id=session_id, task_type=task_type)
