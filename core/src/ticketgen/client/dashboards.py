"""Watches many streams at once over one socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from websockets.exceptions import ConnectionClosed

from ticketgen.client.enduring import Endurance, LostError, RefusedError
from ticketgen.client.errors import ApiProblemError, problem_of_code
from ticketgen.client.models import Pace, Stream
from ticketgen.client.rest import Rest
from ticketgen.client.streaming import Messages, end_of, frames_of, opened
from ticketgen.client.tracking import Track
from ticketgen.progress_messages import ProgressMessage

__all__ = ["MOST_STREAMS", "Refused", "Watched", "watch_together"]

MOST_STREAMS = 200
"""Of one socket; the API takes no more."""

Refused = Callable[[Stream, ApiProblemError], None]
"""Told of a stream that the API does not show, and why."""

_PATH = "/api/progress"
_CONTROL = frozenset({"subscribed", "unsubscribed", "ended", "refused"})
_COMES_BACK = frozenset({"temporary", "database_unavailable", "rate_limited"})
"""Codes of refusals that pass by themselves."""
_SUSPECT_LOSSES = 3


@dataclass(kw_only=True)
class Watched:
    """One of the streams, and what was seen of it."""

    stream: Stream
    track: Track
    has_ended: bool = False
    """Its ending was seen, or it was refused."""

    @property
    def asked(self) -> dict[str, str]:
        """How it is named in a frame: by its run, as soon as that is known."""
        if self.track.run_id is not None:
            return {"task_id": str(self.track.run_id)}
        return self.stream.asked

    @property
    def subscription(self) -> str:
        """The frame that asks for what has not been seen of it."""
        position = self.track.position
        after = {} if position is None else {"after": position}
        return json.dumps({"action": "subscribe", **self.asked, **after})

    def is_meant_by(self, message: ProgressMessage) -> bool:
        """Whether a message is about it, and it still waits for one."""
        if self.has_ended:
            return False
        if self.track.run_id is not None:
            return message.task_id == self.track.run_id
        about = {
            "task_id": str(message.task_id),
            "session_id": str(message.session_id),
            "task_type": message.task_type,
        }
        return all(about[name] == value for name, value in self.asked.items())


async def watch_together(
    rest: Rest,
    watched: Sequence[Watched],
    endurance: Endurance,
    pace: Pace,
    refused: Refused | None,
) -> Messages:
    """Every message of the streams that is news, until each has ended.

    They are all of runs, or all of sessions' tasks: a message names no subscription, and one of
    a run might else be taken for the newest run of its session.

    Raises:
        RefusedError: there is no such socket here.
        ApiProblemError: the API wants no such watcher, or refuses a stream and nobody is told.
        ApiUnreachableError: the patience is at an end.
    """
    suspect = 0
    while waiting := [one for one in watched if not one.has_ended]:
        try:
            async with aclosing(_connected(rest, waiting, pace, refused)) as messages:
                async for message in messages:
                    suspect = 0
                    endurance.heard(news=message is not None and message.type != "snapshot")
                    if message is not None:
                        yield message
            continue
        except LostError as lost:
            loss = lost
        suspect += loss.suspect
        if suspect >= _SUSPECT_LOSSES:
            raise RefusedError(loss.why)
        await endurance.bear(loss)


async def _connected(
    rest: Rest, waiting: Sequence[Watched], pace: Pace, refused: Refused | None
) -> AsyncGenerator[ProgressMessage | None, None]:
    """What one socket brings, until all have ended; None is a sign of life without news."""
    async with opened(rest, _PATH, pace) as socket, aclosing(frames_of(socket, pace)) as frames:
        try:
            for one in waiting:
                await socket.send(one.subscription)
        except ConnectionClosed as closed:
            raise end_of(closed) from closed
        async for frame in frames:
            for message in _read(frame, waiting, refused):
                yield message
            if all(one.has_ended for one in waiting):
                return


def _read(
    frame: str | bytes, waiting: Sequence[Watched], refused: Refused | None
) -> Iterator[ProgressMessage | None]:
    """The message of a frame, or None, or nothing if nobody here understands it."""
    try:
        said = json.loads(frame)
        if isinstance(said, dict) and said.get("type") in _CONTROL:
            _obey(said, waiting, refused)
            yield None
            return
        message = ProgressMessage.model_validate(said)
    except (ValueError, ValidationError):
        return
    is_news = False
    for one in [one for one in waiting if one.is_meant_by(message)]:
        is_news |= one.track.take(message)
        one.has_ended |= message.is_terminal
    yield message if is_news else None


def _obey(said: dict[str, Any], waiting: Sequence[Watched], refused: Refused | None) -> None:
    """Take in what the API says about a subscription.

    Raises:
        ApiProblemError: it is refused, and nobody is to be told but the caller.
        LostError: it is refused for now, or is over and its ending never came.
    """
    about = [one for one in waiting if _is_named(said.get("stream"), one) and not one.has_ended]
    if said["type"] == "ended" and about:
        raise LostError("a stream has ended without its ending")
    if said["type"] != "refused":
        return
    if said.get("code") in _COMES_BACK:
        raise LostError(str(said.get("user_message") or "the API shows a stream later"))
    problem = _problem_of(said)
    for one in about:
        one.has_ended = True
        if refused is not None:
            refused(one.stream, problem)
    if refused is None or not about:
        raise problem


def _is_named(stream: Any, one: Watched) -> bool:
    if not isinstance(stream, dict):
        return False
    asked = one.asked
    return {name: str(stream.get(name)) for name in asked} == asked


def _problem_of(said: dict[str, Any]) -> ApiProblemError:
    actions = said.get("recovery_actions") or ["Look up the id, and whose it is."]
    return problem_of_code(
        str(said.get("code") or ""),
        {"detail": said.get("user_message"), "recovery_actions": actions},
    )
