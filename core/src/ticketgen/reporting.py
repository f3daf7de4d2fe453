"""Takes a run's progress to its channel and its row: the newest value, at a bearable rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.database import SessionFactory
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.domain.transitions_together import store_progress
from ticketgen.grouping import Grouping
from ticketgen.progress import Publisher, publish_progress
from ticketgen.storable import storable, storable_text

__all__ = ["ProgressReporter", "ProgressRows", "as_sent"]

_log = structlog.get_logger(__name__)

_PUBLISH_SECONDS = 0.1
_STORE_SECONDS = 2.0


def as_sent(
    percentage: float, stage: str, details: Mapping[str, Any]
) -> tuple[float, str, dict[str, Any]]:
    """What watchers get of a progress: two decimals, and what JSON can hold."""
    return round(percentage, 2), storable_text(stage), storable(details)


class ProgressRows:
    """Keeps in the rows how far runs are, of all runs of a process by one statement at a time."""

    def __init__(self, session_factory: SessionFactory) -> None:
        self._session_factory = session_factory
        self._grouping = Grouping(self._store)

    async def store(self, run: TaskRun, progress: dict[str, Any]) -> None:
        """Keep the progress of an attempt; what cannot be kept now is logged."""
        await self._grouping.ask((run.id, run.attempt, progress))

    async def _store(self, said: Sequence[tuple[UUID, int, dict[str, Any]]]) -> Sequence[None]:
        newest = {(run_id, attempt): progress for run_id, attempt, progress in said}
        try:
            async with self._session_factory() as db:
                await store_progress(db, newest)
                await db.commit()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("progress_not_stored", error=str(error))
        return [None] * len(said)


class ProgressReporter:
    """The progress port of one attempt: at most ten messages a second, the last always sent."""

    def __init__(self, run: TaskRun, publisher: Publisher, rows: ProgressRows) -> None:
        self._run = run
        self._publisher = publisher
        self._rows = rows
        self._latest: tuple[float, str, dict[str, Any]] | None = None
        self.unstored: dict[str, Any] | None = None
        """What was sent and is not in the row yet: the settling of the attempt puts it there."""
        self._sender: asyncio.Task[None] | None = None
        """Most runs say nothing: it begins with the first word."""
        self._has_ended = False
        self._waiting = asyncio.Event()
        self._ending = asyncio.Event()
        self._stored_at = float("-inf")

    async def publish(self, percentage: float, stage: str, details: Mapping[str, Any]) -> None:
        """Note the newest progress; the flow of messages is `running`'s."""
        self._latest = as_sent(percentage, stage, details)
        self._waiting.set()
        if self._sender is None and not self._has_ended:
            self._sender = asyncio.create_task(self._send_regularly(), name="progress-reporter")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send in the background while the block runs, and what is left when it ends."""
        try:
            yield
        except (StaleAttemptError, asyncio.CancelledError):
            raise
        except BaseException:
            await self._finish()
            raise
        else:
            await self._finish()
        finally:
            self._has_ended = True
            if self._sender is not None:
                await end_tasks(self._sender)

    async def _finish(self) -> None:
        """Let the last value be sent, however soon after the one before it came.

        What is being sent at this moment is not broken off: nobody would know whether it was.
        """
        self._ending.set()
        self._waiting.set()
        if self._sender is not None:
            await self._sender

    async def _send_regularly(self) -> None:
        while True:
            await self._waiting.wait()
            await self._send()
            if self._ending.is_set() and self._latest is None:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_PUBLISH_SECONDS):
                    await self._ending.wait()

    async def _send(self) -> None:
        self._waiting.clear()
        latest = self._latest
        if latest is None:
            return
        percentage, stage, details = latest
        await publish_progress(
            self._publisher,
            session_id=self._run.session_id,
            task_id=self._run.id,
            task_type=self._run.task_type,
            percentage=percentage,
            stage=stage,
            details=details,
            attempt=self._run.attempt,
        )
        stored = {"percentage": percentage, "stage": stage, "details": details}
        self.unstored = stored
        if self._latest is latest:  # else a newer one came meanwhile
            self._latest = None
        now = asyncio.get_running_loop().time()
        if not self._ending.is_set() and now - self._stored_at >= _STORE_SECONDS:
            self._stored_at = now
            await self._rows.store(self._run, stored)
            if self.unstored is stored:  # else a newer one came
                self.unstored = None
