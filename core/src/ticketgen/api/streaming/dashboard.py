"""One socket for many streams: a dashboard subscribes and unsubscribes as it likes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

import structlog
from fastapi import WebSocket
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.websockets import WebSocketDisconnect

from ticketgen.api.streaming.admission import (
    Wanted,
    admitted_topic,
    authenticated,
    deny,
    require_origin,
)
from ticketgen.api.streaming.closing import CLOSE_RESTART, CLOSE_TRY_AGAIN, close
from ticketgen.background import end_tasks
from ticketgen.database import passes_by_itself
from ticketgen.domain.users import User
from ticketgen.errors import InvalidInputError, TicketgenError
from ticketgen.plugin import Subject
from ticketgen.registry import Registry
from ticketgen.runtime import Runtime
from ticketgen.streams.following import Following
from ticketgen.streams.listener import ClientLeft, RestartError, SlowError
from ticketgen.streams.positions import Position, read_position
from ticketgen.streams.service import Streams

__all__ = ["MOST_SUBSCRIPTIONS", "stream_dashboard"]

_log = structlog.get_logger(__name__)

MOST_SUBSCRIPTIONS = 200
"""Streams that one socket may follow at once."""

_LONGEST_FRAME = 4_096
"""Characters a client's frame may have; what it says is far shorter."""


class _Frame(BaseModel):
    """What a client may say."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["subscribe", "unsubscribe"]
    task_id: UUID | None = None
    session_id: UUID | None = None
    task_type: Annotated[str, Field(max_length=100)] | None = None
    after: str | None = None

    @model_validator(mode="after")
    def _names_one_stream(self) -> Self:
        by_session = (self.session_id is not None, self.task_type is not None)
        if by_session != ((False, False) if self.task_id is not None else (True, True)):
            raise ValueError("name either session_id and task_type, or task_id alone")
        return self

    @property
    def stream(self) -> dict[str, str]:
        """The stream, by the names the client has given it."""
        if self.task_id is not None:
            return {"task_id": str(self.task_id)}
        return {"session_id": str(self.session_id), "task_type": str(self.task_type)}

    @property
    def wanted(self) -> Wanted:
        """The stream, as admission knows it."""
        return Wanted(
            run_id=self.task_id,
            session_id=self.session_id,
            task_type=self.task_type,
        )


async def stream_dashboard(websocket: WebSocket) -> None:
    """Serve one dashboard until it leaves or the process ends."""
    runtime: Runtime = websocket.app.state.runtime
    try:
        require_origin(websocket, runtime.settings.allowed_origins)
        user = await authenticated(websocket, runtime, None)
    except TicketgenError as error:
        await deny(websocket, error)
        return
    await websocket.accept()
    await _Dashboard(websocket, runtime, user).serve()


class _Dashboard:
    """One socket and the streams it follows, each by a task of its own."""

    def __init__(self, websocket: WebSocket, runtime: Runtime, user: User) -> None:
        self._websocket = websocket
        self._runtime = runtime
        self._streams: Streams = websocket.app.state.streams
        self._user = user
        self._following: dict[tuple[str, ...], asyncio.Task[None]] = {}
        self._closing: tuple[int, str] | None = None
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Answer frames until the client leaves, the process ends, or the client is too slow."""
        work = [
            asyncio.create_task(waiting, name=f"dashboard-{name}")
            for name, waiting in (
                ("frames", self._answer_frames()),
                ("restart", self._streams.stopping.wait()),
                ("over", self._over.wait()),
            )
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            results = await end_tasks(*work, *self._following.values())
        if self._streams.stopping.is_set():
            await close(self._websocket, CLOSE_RESTART, "The server restarts.")
        elif self._closing is not None:
            await close(self._websocket, *self._closing)
        unexpected = results[0]
        if isinstance(unexpected, Exception) and not isinstance(
            unexpected, WebSocketDisconnect | RuntimeError
        ):
            raise unexpected

    async def _answer_frames(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._answer(message.get("text") or message.get("bytes") or "")

    async def _answer(self, raw: str | bytes) -> None:
        try:
            if len(raw) > _LONGEST_FRAME:
                raise InvalidInputError("The frame is too long.")
            frame = _Frame.model_validate_json(raw)
        except ValidationError as error:
            problem = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, problem["loc"]))
            await self._say("refused", {}, code="invalid_input", text=f"{where} {problem['msg']}")
        except (InvalidInputError, UnicodeDecodeError) as error:
            await self._say("refused", {}, code="invalid_input", text=str(error))
        else:
            await self._act(frame)

    async def _act(self, frame: _Frame) -> None:
        key = tuple(frame.stream.values())
        if frame.action == "unsubscribe":
            task = self._following.pop(key, None)
            if task is not None:
                await end_tasks(task)
            await self._say("unsubscribed", frame.stream)
            return
        try:
            after = read_position(frame.after)
            self._require_room(key)
            _require_stream(self._runtime.registry, frame)
        except TicketgenError as error:
            await self._say("refused", frame.stream, code=error.code, text=error.message)
            return
        task = asyncio.create_task(self._follow(frame, after), name="dashboard-stream")
        self._following[key] = task

    def _require_room(self, key: tuple[str, ...]) -> None:
        if key in self._following:
            raise InvalidInputError("This socket follows that stream already.")
        if len(self._following) >= MOST_SUBSCRIPTIONS:
            raise InvalidInputError(
                f"A socket follows {MOST_SUBSCRIPTIONS} streams at most; unsubscribe from some."
            )

    async def _follow(self, frame: _Frame, after: Position | None) -> None:
        key, stream = tuple(frame.stream.values()), frame.stream
        kind, code, text = "ended", None, None
        try:
            topic = await admitted_topic(self._runtime, frame.wanted, self._user)
            async with self._streams.follow(topic, after=after) as following:
                await self._say("subscribed", stream)
                await self._send_all(following)
        except (ClientLeft, WebSocketDisconnect, RestartError, RuntimeError):
            return
        except SlowError as error:
            self._end(CLOSE_TRY_AGAIN, error.message)
            return
        except TicketgenError as error:
            kind, code, text = "refused", error.code, error.message
        except Exception as error:
            if not passes_by_itself(error):
                _log.exception("dashboard_stream_failed")
            kind, code = "refused", "temporary"
            text = "The stream broke off; subscribe again in a moment."
        if self._following.get(key) is asyncio.current_task():
            del self._following[key]
        await self._say(kind, stream, code=code, text=text)

    async def _send_all(self, following: Following) -> None:
        following.listener.interrupt = partial(
            self._end, CLOSE_TRY_AGAIN, "The client took nothing any more."
        )
        while parcels := await following.take():
            for parcel in parcels:
                await self._websocket.send_text(parcel.text)

    def _end(self, code: int, reason: str) -> None:
        self._closing = (code, reason)
        self._over.set()

    async def _say(
        self, kind: str, stream: dict[str, str], *, code: str | None = None, text: str | None = None
    ) -> None:
        await self._websocket.send_json(
            {"type": kind, "stream": stream, "code": code, "user_message": text}
        )


def _require_stream(registry: Registry, frame: _Frame) -> None:
    """Refuse a stream that no session has.

    Raises:
        NotFoundError: there is no such task.
        InvalidInputError: the task is not about a session.
    """
    if frame.task_type is None:
        return
    registered = registry.tasks.get(frame.task_type) or registry.task(frame.task_type)
    if registered.task.subject is not Subject.SESSION:
        raise InvalidInputError(
            f"The task {frame.task_type!r} is not about a session; name one of its runs."
        )
