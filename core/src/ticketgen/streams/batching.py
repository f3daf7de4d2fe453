"""Answers many questions of one kind by few round trips: those that come meanwhile by the next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ticketgen.background import end_tasks

__all__ = ["Batcher"]

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


class Batcher(Generic[QuestionT, AnswerT]):
    """One round trip at a time, each for at most `limit` questions.

    So a thousand clients that attach at once take one connection, and some thirty round trips.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[QuestionT]], Awaitable[Sequence[AnswerT]]],
        *,
        limit: int,
    ) -> None:
        self._answer = answer
        self._limit = limit
        self._waiting: deque[tuple[QuestionT, asyncio.Future[AnswerT]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: QuestionT) -> AnswerT:
        """The answer to one question; raises what the round trip for it has raised."""
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="batched-answers")
        return await future

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._task is not None:
            await end_tasks(self._task)
        for _, future in self._waiting:
            future.cancel()

    async def _work(self) -> None:
        while self._waiting:
            count = min(self._limit, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(count)]
            batch = [(question, future) for question, future in batch if not future.done()]
            if not batch:
                continue
            try:
                answers = await self._answer([question for question, _ in batch])
            except BaseException as error:
                for _, future in batch:
                    if not future.done():
                        future.cancel() if isinstance(error, asyncio.CancelledError) else (
                            future.set_exception(error)
                        )
                if not isinstance(error, Exception):
                    raise
                continue
            for (_, future), found in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(found)
