"""What the functions of plugins answer when they are asked, in time and whatever they do.

The checks of readiness and the figures of `/metrics` are asked here, each with a database session
of its own, and never so many at once that less than half of the connections are left to requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ticketgen.isolation import LateError, belongs_to_host, in_own_task
from ticketgen.provides import HealthContext
from ticketgen.runtime import Runtime

__all__ = ["Question", "Silence", "ask_all"]

AnswerT = TypeVar("AnswerT")

_LIMIT_SECONDS = 2.0
"""So long one answer may take."""

_ALL_SECONDS = 6.0
"""What has not been asked by then is not asked at all: whoever waits for the whole has a limit."""


@dataclass(frozen=True, kw_only=True)
class Question(Generic[AnswerT]):
    """One function of one plugin."""

    plugin: str
    name: str
    settings: Any
    ask: Callable[[HealthContext], Awaitable[AnswerT]]
    """Raises where the answer is none of the kind that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Why there is no answer."""

    remark: str
    """What was done instead, for whoever asked: "did not answer within 2 s."."""
    cause: str = ""
    """The error, for the log alone: it may name hosts and users."""


async def ask_all(
    runtime: Runtime, questions: Sequence[Question[AnswerT]], *, kind: str
) -> list[AnswerT | Silence]:
    """Every answer in the order of the questions; several are asked at once."""
    at_once = asyncio.Semaphore(max(1, runtime.settings.database_pool_size // 2))
    clock = asyncio.get_running_loop().time
    end = clock() + _ALL_SECONDS

    async def answered(question: Question[AnswerT]) -> AnswerT | Silence:
        async with at_once:
            if clock() >= end:
                return Silence(remark="was not asked: others took all the time.")
            return await _asked(runtime, question, kind=kind)

    return await asyncio.gather(*(answered(question) for question in questions))


async def _asked(runtime: Runtime, question: Question[AnswerT], *, kind: str) -> AnswerT | Silence:
    asked = runtime.asked.setdefault(f"{kind}:{question.plugin}.{question.name}", set())
    if any(task.cancelling() for task in asked):
        # It goes on, and may hold a connection: another one would be lost with every question.
        return Silence(remark="has not ended since it was told to, for being late.")
    work = _answer(runtime, question)
    try:
        return await in_own_task(work, limit=_LIMIT_SECONDS, left_behind=asked)
    except LateError:
        return Silence(remark=f"did not answer within {_LIMIT_SECONDS:.0f} s.")
    except BaseException as error:
        if belongs_to_host(error):
            raise
        if isinstance(error, asyncio.CancelledError):
            return Silence(remark="ended itself without an answer.")
        cause = f"{type(error).__name__}: {error}"[:300]
        return Silence(remark="failed; the log says why.", cause=cause)


async def _answer(runtime: Runtime, question: Question[AnswerT]) -> AnswerT:
    async with runtime.session_factory() as db:
        return await question.ask(HealthContext(db=db, settings=question.settings))
