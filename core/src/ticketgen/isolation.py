"""Keeps what a plugin's own coroutine does, whatever it is, from harming whoever waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Generator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar

__all__ = [
    "UNWIND_SECONDS",
    "LateError",
    "Watched",
    "belongs_to_host",
    "in_own_task",
    "in_time",
    "late_of",
]

AnswerT = TypeVar("AnswerT")

UNWIND_SECONDS = 1.0
"""So long something that was told to stop may take for its `finally` blocks."""


class LateError(TimeoutError):
    """It did not end within its limit, and was told to stop."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no end within {seconds:g} s")


class Watched(Generic[AnswerT]):
    """Awaits a coroutine, and knows how long it kept the event loop from everybody else.

    Only what the coroutine does itself counts, not what others do while it waits.
    """

    def __init__(self, begin: Callable[[], Awaitable[AnswerT]]) -> None:
        self._begin = begin
        self.held = 0.0
        """Seconds of its longest stretch without giving way."""

    def __await__(self) -> Generator[Any, Any, AnswerT]:
        """Drive the coroutine step by step, with the clock in hand."""
        steps = self._begin().__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            begun = time.monotonic()
            try:
                awaited = go_on()
            except StopIteration as end:
                answer: AnswerT = end.value
                return answer
            finally:
                self.held = max(self.held, time.monotonic() - begun)
            try:
                yield awaited
            except GeneratorExit:
                _close(steps)
                raise
            except BaseException as error:
                go_on = partial(_throw, steps, error)
            else:
                go_on = partial(next, steps)


def _throw(steps: Generator[Any, Any, Any], error: BaseException) -> Any:
    return steps.throw(error)


def _close(steps: Generator[Any, Any, Any]) -> None:
    steps.close()


def belongs_to_host(error: BaseException) -> bool:
    """Whether it is meant for the process or the caller, and must pass: Ctrl-C, a cancellation.

    A `CancelledError` that the plugin raised by itself, with nobody asking, is its failure.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """A block that is cancelled when its time is up.

    Raises:
        LateError: it was; any other `TimeoutError` is of the block's own making.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if limit.expired():
            raise LateError(seconds) from error
        raise


async def late_of(
    tasks: Collection[asyncio.Task[AnswerT]], *, limit: float
) -> set[asyncio.Task[AnswerT]]:
    """Wait for tasks, and give those that did not end in time.

    They were told to stop, and had `UNWIND_SECONDS` for it; nobody has to wait for them longer.
    """
    if not tasks:
        return set()
    _, late = await asyncio.wait(tasks, timeout=limit)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=UNWIND_SECONDS)
    return late


async def in_own_task(
    work: Awaitable[AnswerT], *, limit: float, left_behind: set[asyncio.Task[Any]]
) -> AnswerT:
    """What comes of the work, if it comes in time.

    Work that will not end when it is told to is put into `left_behind`, and nobody waits for it.

    Raises:
        LateError: it took longer than `limit` seconds.
        BaseException: whatever the work raised, or a cancellation of the caller.
    """
    failures: list[BaseException] = []

    async def kept() -> AnswerT | None:
        try:
            return await work
        except BaseException as error:
            if belongs_to_host(error):
                raise
            failures.append(error)
            return None

    task = asyncio.create_task(kept())
    left_behind.add(task)
    task.add_done_callback(left_behind.discard)
    try:
        if await late_of({task}, limit=limit):
            raise LateError(limit)
    finally:
        task.cancel()
    if failures:
        raise failures[0]
    answer: Any = task.result()
    return answer  # type: ignore[no-any-return]
