"""Whether a writer could write now, asked at most once in five minutes in a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ticketgen import Contributions, Host
from ticketgen.errors import TicketgenError
from ticketgen.provides import Writer, WriterHealth
from ticketgen_processing.errors import WriterNotReadyError, WriterNotSetUpError
from ticketgen_processing.writing_all import find_writer

__all__ = ["WriterHealths", "open_health"]

GOOD_FOR, BAD_FOR = 300.0, 15.0
"""Seconds for which an answer is used again: a bad one is soon mended, and then to be believed."""

_LATE_SECONDS = 10.0

_NEEDS_NOTHING = WriterHealth(ready=True, message="It needs nothing from anybody.")


@dataclass(frozen=True)
class _Answer:
    health: WriterHealth
    until: float


class WriterHealths:
    """The answers of the writers, kept for as long as they are good."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def ask(self, contributions: Contributions, name: str) -> WriterHealth:
        """What the writer of that name says, or said lately; however many ask, it is asked once.

        Raises:
            UnknownWriterError: no installed plugin has such a writer.
        """
        owner, writer = find_writer(contributions, name)
        async with self._asking.setdefault(name, asyncio.Lock()):
            kept = self._answers.get(name)
            if kept is not None and self._clock() < kept.until:
                return kept.health
            health = await _asked(writer, contributions.settings_of(owner))
            good_for = GOOD_FOR if health.ready else BAD_FOR
            self._answers[name] = _Answer(health, self._clock() + good_for)
            return health

    async def require_ready(self, contributions: Contributions, name: str) -> None:
        """Let a start pass if its writer could write.

        Raises:
            UnknownWriterError: no installed plugin has such a writer.
            WriterNotSetUpError: it cannot, before an administrator has done something.
            WriterNotReadyError: it cannot at the moment.
        """
        health = await self.ask(contributions, name)
        if health.ready:
            return
        failed = WriterNotSetUpError if health.for_admin else WriterNotReadyError
        raise failed(
            f"The writer `{name}` cannot write now: {health.message}",
            recovery_actions=[
                *health.recovery_actions,
                "Or choose the writer `template` for the session; it needs nobody.",
            ],
        )


@asynccontextmanager
async def open_health(host: Host) -> AsyncIterator[WriterHealths]:
    """The plugin's state in a process: what its writers have answered there."""
    yield WriterHealths()


async def _asked(writer: Writer, settings: object) -> WriterHealth:
    if writer.check is None:
        return _NEEDS_NOTHING
    try:
        async with asyncio.timeout(_LATE_SECONDS):
            return await writer.check(settings)
    except TimeoutError:
        return WriterHealth(
            ready=False,
            message=f"It has not answered within {_LATE_SECONDS:.0f} seconds.",
            recovery_actions=("Try again in a minute.",),
        )
    except TicketgenError as error:
        return WriterHealth(
            ready=False,
            message=error.message,
            recovery_actions=tuple(error.recovery_actions),
            for_admin=error.category == "admin_required",
        )
    except Exception as error:
        # A writer may be anybody's: what its check does wrong is no fault of whoever starts.
        return WriterHealth(
            ready=False,
            message=f"Its check fails ({type(error).__name__}).",
            recovery_actions=("Tell whoever has made the writer.",),
            for_admin=True,
        )
