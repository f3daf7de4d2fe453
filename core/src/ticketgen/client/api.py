"""A program's way to the API: start, look, cancel, retry, and watch to the end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import UUID
from weakref import WeakSet

import httpx2

from ticketgen.client.dashboards import MOST_STREAMS, Refused, Watched, watch_together
from ticketgen.client.enduring import Endurance, RefusedError
from ticketgen.client.errors import ApiError, ApiProblemError
from ticketgen.client.merging import merged
from ticketgen.client.models import Pace, Run, StartedRun, Stream, TaskStatus
from ticketgen.client.rest import Address, Rest
from ticketgen.client.streaming import Messages, loss_of
from ticketgen.client.tracking import Track
from ticketgen.client.watching import watch
from ticketgen.errors import InvalidInputError
from ticketgen.progress_messages import ProgressMessage

__all__ = ["Client"]

_PATIENCE = timedelta(minutes=5)


class Client:
    """A client of one API, for one caller, within one event loop.

    It closes what it has opened when its block ends::

        async with Client("https://tickets.example", token=token) as client:
            started = await client.start("processing", session_id)
            async for message in client.watch(task_id=started.task_id):
                print(message.progress_percentage, message.current_stage)

    `patience` is how long a watcher goes on trying without any answer; None means for ever.

    Raises:
        InvalidInputError: the address is none.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str,
        patience: timedelta | None = _PATIENCE,
        pace: Pace | None = None,
        ssl_context: ssl.SSLContext | None = None,
        trust_env: bool = True,
    ) -> None:
        self._address = Address(
            url=_checked(url),
            headers={"Authorization": f"Bearer {token}"},
            ssl_context=ssl_context,
            trust_env=trust_env,
        )
        self._patience = patience
        self._pace = pace or Pace()
        self._rest = Rest(self._address, pace=self._pace)
        self._open: WeakSet[Messages] = WeakSet()

    def __repr__(self) -> str:
        return f"Client({self._address.shown!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave every stream that is still watched, and close every connection."""
        for messages in [*self._open]:
            with suppress(RuntimeError):  # another task is reading it, and sees its end
                await messages.aclose()
        await self._rest.aclose()

    async def request(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """The successful answer of any other route; `arguments` are those of httpx2.

        Raises:
            ApiProblemError: the API refuses.
            ApiUnreachableError: nothing answers, or something that is not the API.
        """
        return await self._rest.request(method, path, **arguments)

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The JSON of any other route's answer; None of an empty one. Raises as `request`."""
        return self._rest.json_of(await self.request(method, path, **arguments))

    async def start(
        self,
        task_type: str,
        session_id: UUID | str | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> StartedRun:
        """Store a run of a task, in a session or, for tasks without one, by itself.

        Where one of the kind is active already it is that run, `existing`. Raises as `request`.
        """
        place = "" if session_id is None else f"/{_segment(session_id)}"
        path = f"/api/{_segment(task_type)}/start{place}"
        answer = await self.call("POST", path, json=dict(request or {}))
        return StartedRun.model_validate(answer)

    async def run(self, task_id: UUID | str) -> Run:
        """One run as it stands; asked again within two seconds, it waits. Raises as `request`."""
        return Run.model_validate(await self._rest.looks.look(f"/api/runs/{_segment(task_id)}"))

    async def status(self, task_type: str, session_id: UUID | str) -> TaskStatus:
        """A session's task as it stands; asked again within two seconds, it waits.

        What has not changed is not sent again. Raises as `request`.
        """
        path = f"/api/{_segment(task_type)}/status/{_segment(session_id)}"
        return TaskStatus.model_validate(await self._rest.looks.look(path))

    async def cancel(self, task_id: UUID | str) -> Run:
        """Ask a run to end; one at work does as soon as its worker hears of it. As `request`."""
        return Run.model_validate(await self.call("POST", f"/api/runs/{_segment(task_id)}/cancel"))

    async def retry(self, task_id: UUID | str) -> StartedRun:
        """Try a failed or cancelled run again, as a new one. Raises as `request`."""
        return StartedRun.model_validate(
            await self.call("POST", f"/api/runs/{_segment(task_id)}/retry")
        )

    def watch(
        self,
        *,
        task_id: UUID | str | None = None,
        session_id: UUID | str | None = None,
        task_type: str | None = None,
        after: str | None = None,
        lost: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ProgressMessage, None]:
        """Every message of a run to its end, or of a session's task: of its newest, or first, run.

        The last message is the only terminal one. Each connection begins with a `snapshot`: where
        the run stands, at the latest after a loss; a `resync` before it says that progress was
        missed which is no longer kept. Numbers rise within an epoch. `after` is the `position` of
        a message that was seen before. `lost` is told why, whenever the connection has to be made
        again. Leaving the loop early leaves the stream; `contextlib.aclosing` does so at once.

        Raises:
            ApiProblemError: the API wants no such watcher, also from the middle on: the session
                was deleted, the token revoked.
            ApiUnreachableError: there was no answer for as long as the patience lasts.
            InvalidInputError: neither a run nor a session's task is named.
        """
        stream = Stream(task_id=task_id, session_id=session_id, task_type=task_type)
        track = _track_of(stream, after)
        return self._kept(watch(self._rest, stream, track, self._endurance(lost), self._pace))

    def watch_many(
        self,
        streams: Iterable[Stream | UUID | str],
        *,
        refused: Refused | None = None,
        lost: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[ProgressMessage, None]:
        """Every message of many streams until all have ended, over one socket where there can be.

        An id alone is that of a run. `refused` is told of a stream that is not to be seen, and the
        others go on; without it the refusal is raised. Else as `watch`, and raises as it does.
        """
        asked = [one if isinstance(one, Stream) else Stream(task_id=one) for one in streams]
        different = {tuple(stream.asked.items()): stream for stream in asked}.values()
        watched = [Watched(stream=one, track=_track_of(one, None)) for one in different]
        of_runs = [one for one in watched if one.stream.task_id is not None]
        of_tasks = [one for one in watched if one.stream.task_id is None]
        groups = [*_chunks(of_runs), *_chunks(of_tasks)]
        return self._kept(merged([self._together(group, refused, lost) for group in groups]))

    async def wait(
        self,
        task_id: UUID | str,
        *,
        seen: Callable[[ProgressMessage], None] | None = None,
        lost: Callable[[str], None] | None = None,
    ) -> Run:
        """A run as it has ended, however that was; `seen` is told each message until then.

        Else as `watch`, and raises as it does.
        """
        async with aclosing(self.watch(task_id=task_id, lost=lost)) as messages:
            async for message in messages:
                if seen is not None:
                    seen(message)
        endurance = self._endurance(lost)
        while True:
            try:
                return await self.run(task_id)
            except ApiError as error:
                await endurance.bear(loss_of(error))

    async def _together(
        self,
        watched: list[Watched],
        refused: Refused | None,
        lost: Callable[[str], None] | None,
    ) -> Messages:
        """Some streams over one socket; where there can be none, each by itself."""
        together = watch_together(self._rest, watched, self._endurance(lost), self._pace, refused)
        try:
            async with aclosing(together):
                async for message in together:
                    yield message
            return
        except RefusedError:
            left = [one for one in watched if not one.has_ended]
        async with aclosing(merged([self._alone(one, refused, lost) for one in left])) as messages:
            async for message in messages:
                yield message

    async def _alone(
        self, one: Watched, refused: Refused | None, lost: Callable[[str], None] | None
    ) -> Messages:
        alone = watch(self._rest, one.stream, one.track, self._endurance(lost), self._pace)
        try:
            async with aclosing(alone):
                async for message in alone:
                    yield message
        except ApiProblemError as problem:
            if refused is None:
                raise
            refused(one.stream, problem)

    def _kept(self, messages: Messages) -> Messages:
        """The same, to be left when the client is."""
        self._open.add(messages)
        return messages

    def _endurance(self, lost: Callable[[str], None] | None) -> Endurance:
        return Endurance(
            place=self._address.shown, pace=self._pace, patience=self._patience, lost=lost
        )


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise InvalidInputError(
            "This is no address of an API.",
            recovery_actions=["Give it as http://host:port or https://host."],
        )
    return url.rstrip("/")


def _segment(word: object) -> str:
    return quote(str(word), safe="", errors="replace")


def _track_of(stream: Stream, after: str | None) -> Track:
    try:
        run_id = None if stream.task_id is None else UUID(str(stream.task_id))
    except ValueError:
        run_id = None  # the API says what is wrong with it
    return Track(after=after, run_id=run_id)


def _chunks(watched: list[Watched]) -> Iterable[list[Watched]]:
    return (watched[at : at + MOST_STREAMS] for at in range(0, len(watched), MOST_STREAMS))
