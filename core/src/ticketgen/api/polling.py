"""How a status is polled: unchanged answers cost nothing, and nobody asks without pause."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel

from ticketgen.errors import RateLimitedError

__all__ = ["PollLimit", "tagged_answer"]

_BURST = 60
"""Questions a caller may ask of one thing without any pause, as a page that is loaded does."""

_SECONDS_EACH = 2.0
"""What one question costs in the long run: so often may be asked without end."""

_MOST_KEPT = 10_000
"""Callers and things remembered; those whose allowance is full again are forgotten first."""

_CACHING = "no-cache, private"


class PollLimit:
    """An allowance for each caller and thing: 60 questions at once, and one more every 2 s.

    Whoever polls no more than once in 2 s never meets it, nor does who asks more often for a
    moment. Each process counts by itself.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: dict[tuple[UUID, str], tuple[float, float]] = {}

    def spend(self, user_id: UUID, thing: str) -> None:
        """Count one question.

        Raises:
            RateLimitedError: the caller has asked too often; `retry_after` says when to come back.
        """
        now = self._clock()
        key = (user_id, thing)
        spent, at = self._spent.get(key, (0.0, now))
        spent = max(0.0, spent - (now - at) / _SECONDS_EACH)
        if spent + 1 > _BURST:
            wait = (spent + 1 - _BURST) * _SECONDS_EACH
            raise RateLimitedError(
                f"This was asked more often than once in {_SECONDS_EACH:.0f} s for too long.",
                retry_after=timedelta(seconds=ceil(wait)),
                recovery_actions=[
                    f"Ask at most every {_SECONDS_EACH:.0f} s, or follow the progress instead."
                ],
            )
        if len(self._spent) >= _MOST_KEPT and key not in self._spent:
            self._forget(now)
        self._spent[key] = (spent + 1, now)

    def _forget(self, now: float) -> None:
        full = [
            key for key, (spent, at) in self._spent.items() if spent <= (now - at) / _SECONDS_EACH
        ]
        for key in full or list(self._spent)[: _MOST_KEPT // 10]:
            del self._spent[key]


def tagged_answer(request: Request, view: BaseModel) -> Response:
    """The view with a tag that changes when it does; 304 to a caller that has it already."""
    body = view.model_dump_json().encode()
    tag = f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": _CACHING}
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _tags(header: str) -> set[str]:
    """The tags a caller has; whether one is weak makes no difference here (RFC 9110, 13.1.2)."""
    return {part.strip().removeprefix("W/") for part in header.split(",")}
