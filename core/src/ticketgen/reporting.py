"""Takes a run's progress to its channel and its row: the newest value, at a bearable rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.database import SessionFactory
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.progress import Publisher, publish_progress
from ticketgen.storable import storable, storable_text

__all__ = ["ProgressReporter", "as_sent"]

_log = structlog.get_logger(__name__)

_PUBLISH_SECONDS = 0.1
_STORE_SECONDS = 2.0


def as_sent(
    percentage: float, stage: str, details: Mapping[str, Any]
) -> tuple[float, str, dict[str, Any]]:
    """What watchers get of a progress: two decimals, and what JSON can hold."""
    return round(percentage, 2), storable_text(stage), storable(details)


class ProgressReporter:
    """The progress port of one attempt: at most ten messages a second, the last always sent."""

    def __init__(self, run: TaskRun, publisher: Publisher, session_factory: SessionFactory) -> None:
        self._run = run
        self._publisher = publisher
        self._session_factory = session_factory
        self._latest: tuple[float, str, dict[str, Any]] | None = None
        self._unstored: tuple[float, str, dict[str, Any]] | None = None
        self._waiting = asyncio.Event()
        self._stored_at = float("-inf")

    async def publish(self, percentage: float, stage: str, details: Mapping[str, Any]) -> None:
        """Note the newest progress; the flow of messages is `running`'s."""
        self._latest = as_sent(percentage, stage, details)
        self._waiting.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send in the background while the block runs, and what is left when it ends."""
        sender = asyncio.create_task(self._send_regularly(), name="progress-reporter")
        try:
            yield
        except (StaleAttemptError, asyncio.CancelledError):
            raise
        except BaseException:
            await self._finish(sender)
            raise
        else:
            await self._finish(sender)
        finally:
            await end_tasks(sender)

    async def _finish(self, sender: asyncio.Task[None]) -> None:
        """Send and store the last value, however soon after the one before it came."""
        await end_tasks(sender)
        await self._send()
        if self._unstored is not None:
            await self._store(*self._unstored)

    async def _send_regularly(self) -> None:
        while True:
            await self._waiting.wait()
            await self._send()
            await asyncio.sleep(_PUBLISH_SECONDS)

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
        self._unstored = latest
        if self._latest is latest:  # else a newer one came meanwhile; or we were cancelled above
            self._latest = None
        now = asyncio.get_running_loop().time()
        if now - self._stored_at >= _STORE_SECONDS:
            self._stored_at = now
            await self._store(percentage, stage, details)
            if self._unstored is latest:  # else a newer one came; or we were cancelled above
                self._unstored = None

    async def _store(self, percentage: float, stage: str, details: dict[str, Any]) -> None:
        """Keep the progress in the row too, for whoever asks while Redis is away."""
        try:
            async with self._session_factory() as db:
                await db.execute(
                    update(TaskRun)
                    .where(
                        TaskRun.id == self._run.id,
                        TaskRun.attempt == self._run.attempt,
                        TaskRun.state == RunState.RUNNING,
                    )
                    .values(progress={"percentage": percentage, "stage": stage, "details": details})
                    .execution_options(synchronize_session=False)
                )
                await db.commit()
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            _log.warning("progress_not_stored", error=str(error))
