"""One run in a memory host: attempt after attempt, until it is settled as the real host would."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from ticketgen.database import SessionFactory, new_id
from ticketgen.diagnosis import timed_out
from ticketgen.domain.effects import Effect, EffectName
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import RunState
from ticketgen.domain.users import User
from ticketgen.handling import next_try, outcome_of, outcome_of_stopped, unreadable_payload
from ticketgen.outcomes import Cancelled, Completed, Failed, Outcome, Parked
from ticketgen.plugin import StageMoves
from ticketgen.ports import RunIdentity
from ticketgen.registry import RegisteredTask, Registry
from ticketgen.settings import Settings
from ticketgen.testing.clock import FakeClock
from ticketgen.testing.memory_context import (
    Journal,
    MemoryContext,
    MemoryProgress,
    through_json,
)
from ticketgen.testing.memory_starts import MemoryStarts
from ticketgen.testing.run_outcome import RunError, RunOutcome, effects_seen
from ticketgen.vault import Vault

__all__ = ["MemoryRun"]

_ASK_AGAIN_SECONDS = 3.0
_ASK_TIMES = 4
"""So often a handler is told to stop before it is left behind, about as in a worker."""

_NO_MOVES = StageMoves(allowed=())


@dataclass(kw_only=True)
class MemoryRun:
    """A run that was prepared, with everything its attempts share."""

    registered: RegisteredTask
    registry: Registry
    settings: Any
    host_settings: Settings
    randomness: random.Random
    clock: FakeClock
    effects: dict[EffectName, Effect]
    database: SessionFactory | None
    journal: Journal
    starts: MemoryStarts
    state: Any
    vault: Vault
    payload: dict[str, Any]
    session: WorkSession | None
    user: User | None
    lineage_id: UUID | None
    id: UUID = field(default_factory=new_id)

    async def to_its_end(self) -> RunOutcome:
        """Try until it is settled; the waits between the tries pass on the fake clock.

        Raises:
            NeedsDatabaseError: the handler wanted a database, whatever it made of the refusal.
        """
        tries = 1
        while True:
            identity = self._identity(tries)
            self.journal.exception = None
            outcome = await self._attempt(identity)
            if self.journal.misuse is not None:
                raise self.journal.misuse
            delay = self._delay(outcome, tries)
            if delay is None:
                return await self._settled(identity, outcome)
            self.journal.waits.append(delay)
            self.clock.advance(delay)
            tries += 1

    def _identity(self, tries: int) -> RunIdentity:
        return RunIdentity(
            id=self.id,
            task_type=self.registered.task.name,
            session_id=self.session.id if self.session else None,
            lineage_id=self.lineage_id or self.id,
            requested_by=self.user.id if self.user else None,
            attempt=tries,
            tries=tries,
        )

    async def _attempt(self, identity: RunIdentity) -> Outcome:
        task = self.registered.task
        try:
            payload = task.payload.model_validate(self.payload)
        except ValidationError as error:
            return unreadable_payload(self.registered.plugin.name, "as installed", error)
        context = self._context(identity)

        async def work() -> BaseModel | dict[str, Any]:
            try:
                return await task.handler(context, payload)
            except BaseException as error:
                self.journal.exception = error
                raise

        handler = asyncio.create_task(outcome_of(work), name=f"handler:{task.name}")
        self.journal.handler = handler
        try:
            return await self._ended(handler, task.timeout or self.host_settings.job_timeout)
        finally:
            if not handler.done():
                handler.cancel()

    async def _ended(self, handler: asyncio.Task[Outcome], limit: timedelta) -> Outcome:
        stopped = asyncio.create_task(self.journal.stopped.wait())
        first: set[asyncio.Task[Any]] = {handler, stopped}
        try:
            await asyncio.wait(
                first, timeout=limit.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()
        told: Outcome | None = Cancelled() if self.journal.stopped.is_set() else None
        if not handler.done():
            await self._unwound(handler, limit)
            told = told or Failed(error=timed_out(limit))
        return outcome_of_stopped(handler, told)

    async def _unwound(self, handler: asyncio.Task[Outcome], limit: timedelta) -> None:
        """Wait until a handler that was told to stop has ended; not for ever."""
        if not self.journal.stopped.is_set():
            self.clock.advance(limit)
            handler.cancel()
        for _ in range(_ASK_TIMES):
            done, _ = await asyncio.wait({handler}, timeout=_ASK_AGAIN_SECONDS)
            if done:
                return
            handler.cancel()

    def _context(self, identity: RunIdentity) -> MemoryContext:
        return MemoryContext(
            journal=self.journal,
            clock=self.clock,
            effects=self.effects,
            run=identity,
            settings=self.settings,
            contributions=self.registry,
            hooks=self.registry.hooks,
            session_factory=self.journal.factory(self.database),
            progress=MemoryProgress(journal=self.journal, attempt=identity.attempt),
            start=self.starts.start,
            start_many=self.starts.start_many,
            vault=self.vault,
            state=self.state,
            states={self.registered.plugin.name: self.state},
        )

    def _delay(self, outcome: Outcome, tries: int) -> timedelta | None:
        if not isinstance(outcome, Failed):
            return None
        return next_try(
            self.registered.task.retry,
            self.host_settings,
            tries=tries,
            error=outcome.error,
            randomness=self.randomness,
        )

    async def _settled(self, identity: RunIdentity, outcome: Outcome) -> RunOutcome:
        moves = self.registered.task.stages or _NO_MOVES
        seen: dict[str, Any] = {"tries": identity.tries}
        stage = None
        if isinstance(outcome, Completed):
            stage = moves.on_success
            seen |= {"state": RunState.COMPLETED, "result_summary": through_json(outcome.summary)}
        elif isinstance(outcome, Failed):
            stage = moves.on_failure
            seen |= {"state": RunState.FAILED, "error": RunError.of(outcome.error)}
        elif isinstance(outcome, Parked):
            seen |= {
                "state": RunState.PARKED,
                "parked": dict(outcome.reason),
                "tries": identity.tries - 1,
            }
        else:
            stage = moves.on_cancel
            seen |= {"state": RunState.CANCELLED}
            await self._discard(identity)
        if self.session is not None and stage is not None:
            self.session.stage = stage
        return RunOutcome(
            task_type=identity.task_type,
            run_id=self.id,
            lineage_id=identity.lineage_id,
            payload=self.payload,
            attempts=identity.attempt,
            waits=tuple(self.journal.waits),
            progress=tuple(self.journal.progress),
            steps=dict(self.journal.steps),
            effects=effects_seen(self.effects),
            started=tuple(self.journal.started.values()),
            exception=self.journal.exception,
            **seen,
        )

    async def _discard(self, identity: RunIdentity) -> None:
        discard = self.registered.task.discard
        if discard is None or self.database is None:
            return
        async with self.database() as db:
            await discard(db, identity)
            await db.commit()
