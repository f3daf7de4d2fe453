"""Does one thing for many who ask for it at the same time: one call for all of them.

Nobody waits for others to ask. Who comes while no call is under way has one at once; who comes
during a call shares the next with all who came meanwhile. So a lone one is as fast as without,
and the more there are, the less each of them costs.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ticketgen.background import end_tasks

__all__ = ["Grouping"]

_Asked = TypeVar("_Asked")
_Given = TypeVar("_Given")


class Grouping(Generic[_Asked, _Given]):
    """Calls `work` with all that is asked at one time; for the coroutines of one event loop.

    `work` gets at most `most` of them, in the order in which they came, and gives one answer for
    each, in the same order. What it raises is raised for each of them. Where nobody waits for the
    answers, calls may be gathered for some seconds (`after`).
    """

    def __init__(
        self,
        work: Callable[[Sequence[_Asked]], Awaitable[Sequence[_Given]]],
        *,
        most: int = 100,
        after: float = 0.0,
    ) -> None:
        self._work = work
        self._most = most
        self._after = after
        self._waiting: deque[tuple[_Asked, asyncio.Future[_Given]]] = deque()
        self.task: asyncio.Task[None] | None = None
        """At work while something is asked for; whoever ends the process may wait for it."""

    async def ask(self, asked: _Asked) -> _Given:
        """The answer to one; a cancellation of the caller does not reach the call.

        Raises:
            asyncio.CancelledError: `task` was cancelled.
        """
        return await self.put(asked)

    def put(self, asked: _Asked) -> asyncio.Future[_Given]:
        """Ask without waiting for the answer."""
        future: asyncio.Future[_Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self.task is None or self.task.done():
            # Its log lines must not bear the name of the one who happened to be first.
            self.task = asyncio.create_task(
                self._answer_waiting(), name="grouping", context=contextvars.Context()
            )
        return future

    async def close(self) -> None:
        """Answer nobody any more."""
        if self.task is not None:
            await end_tasks(self.task)

    async def _answer_waiting(self) -> None:
        while self._waiting:
            if self._after:
                await asyncio.sleep(self._after)
            group = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            group = [(asked, future) for asked, future in group if not future.done()]
            try:
                if group:
                    await self._answer(group)
            except asyncio.CancelledError:
                for _, future in [*group, *self._waiting]:
                    future.cancel()
                self._waiting.clear()
                raise

    async def _answer(self, group: Sequence[tuple[_Asked, asyncio.Future[_Given]]]) -> None:
        try:
            given = await self._work([asked for asked, _ in group])
        except Exception as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(group, given, strict=True):
                if not future.done():
                    future.set_result(answer)
