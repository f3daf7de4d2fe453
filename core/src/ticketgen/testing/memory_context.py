"""A handler's context without a server: the real one, on what one run keeps in memory."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NoReturn, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.context import TaskContext
from ticketgen.database import SessionFactory
from ticketgen.domain.effects import Effect, EffectName, EffectState
from ticketgen.ledger import Ledger
from ticketgen.reporting import as_sent
from ticketgen.testing.clock import FakeClock
from ticketgen.testing.run_outcome import ProgressSeen, StartSeen

__all__ = [
    "Journal",
    "MemoryContext",
    "MemoryLedger",
    "MemoryProgress",
    "NeedsDatabaseError",
    "through_json",
]


class NeedsDatabaseError(RuntimeError):
    """The code under test wants a database, and a `MemoryHost` has none."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} needs a database, which the memory host has not. Test this task with the "
            "fixture `runtime` and `run_until_settled`, which run it on real servers; or give "
            "MemoryHost(database=…) an async_sessionmaker of your own."
        )


@dataclass(kw_only=True)
class Journal:
    """What a run has done so far, over all its attempts."""

    steps: dict[str, Any] = field(default_factory=dict)
    progress: list[ProgressSeen] = field(default_factory=list)
    waits: list[timedelta] = field(default_factory=list)
    started: dict[str, StartSeen] = field(default_factory=dict)
    cancel_at: str | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody has cancelled the run."""
    handler: asyncio.Task[Any] | None = None
    exception: BaseException | None = None
    misuse: NeedsDatabaseError | None = None

    async def reached(self, place: str) -> None:
        """Cancel the run if it is here that somebody cancels it."""
        if place != self.cancel_at or self.stopped.is_set() or self.handler is None:
            return
        self.stopped.set()
        self.handler.cancel()
        await asyncio.sleep(0)

    def refuse(self, what: str) -> NoReturn:
        """Raise for want of a database; remembered, because handlers may catch it."""
        self.misuse = self.misuse or NeedsDatabaseError(what)
        raise self.misuse

    def factory(self, database: SessionFactory | None) -> SessionFactory:
        """Where transactions come from: the test's database, or a refusal."""
        return database or cast("SessionFactory", lambda: self.refuse("ctx.transaction()"))

    def session(self, what: str) -> AsyncSession:
        """A session of which every use is refused."""
        return cast("AsyncSession", _NoDatabase(lambda: self.refuse(what)))


class _NoDatabase:
    def __init__(self, refuse: Callable[[], NoReturn]) -> None:
        self._refuse = refuse

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()


class MemoryContext(TaskContext):
    """A `TaskContext` whose steps, effects and time are a journal, a dictionary and a clock."""

    def __init__(
        self, *, journal: Journal, clock: FakeClock, effects: dict[EffectName, Effect], **ports: Any
    ) -> None:
        super().__init__(**ports)
        self._journal = journal
        self._clock = clock
        self._effects = effects

    async def find_step(self, key: str) -> dict[str, Any] | None:
        """The stored step, if the lineage has done it."""
        await self._journal.reached(key)
        steps = self._journal.steps
        return {"value": copy.deepcopy(steps[key])} if key in steps else None

    async def now(self) -> datetime:
        """What the fake clock shows."""
        return self._clock.now()

    async def _save_step(self, key: str, value: Any) -> None:
        if key in self._journal.steps:
            raise ValueError(f"the step {key!r} is stored already; give each step its own key")
        self._journal.steps[key] = copy.deepcopy(value)

    async def _hold(self, db: AsyncSession) -> None:
        """No attempt of a memory host is ever overtaken."""

    def _ledger(self) -> Ledger:
        return MemoryLedger(
            effects=self._effects,
            clock=self._clock,
            run_id=self.run.id,
            attempt=self.run.attempt,
            session_id=self.run.session_id,
        )


@dataclass(frozen=True, kw_only=True)
class MemoryLedger:
    """The ledger of effects as a dictionary, by the rules of the one in Postgres."""

    effects: dict[EffectName, Effect]
    clock: FakeClock
    run_id: UUID
    attempt: int
    session_id: UUID | None

    async def begin(
        self, name: EffectName, *, vain: Effect | None, lasts: timedelta
    ) -> tuple[Effect, bool, float]:
        """Write the intention where there is none, or a vain one that is over."""
        now = self.clock.now()
        there = self.effects.get(name)
        is_over = there is vain and there is not None and there.over_at <= now
        if there is not None and not (is_over and _is_intended(there)):
            return there, False, (there.over_at - now).total_seconds()
        effect = Effect(
            plugin=name.plugin,
            operation=name.operation,
            key=name.key,
            session_id=self.session_id,
            run_id=self.run_id,
            attempt=self.attempt,
            state=EffectState.INTENDED,
            began_at=now,
            over_at=now + lasts,
        )
        self.effects[name] = effect
        return effect, True, lasts.total_seconds()

    async def record_found(self, intention: Effect, value: Any) -> None:
        """Record what a look found."""
        await self.record(intention, value)

    async def record(self, intention: Effect, value: Any) -> Effect | None:
        """Record what the call gave, if the intention still stands."""
        there = self.effects.get(intention.name)
        if there is intention and _is_intended(there):
            there.state = EffectState.DONE
            there.result = {"value": copy.deepcopy(value)}
            there.settled_at = self.clock.now()
        return there

    async def withdraw(self, intention: Effect) -> None:
        """Forget the intention, if it still stands."""
        if self.effects.get(intention.name) is intention and _is_intended(intention):
            del self.effects[intention.name]

    async def begin_all(
        self, names: Sequence[EffectName], *, lasts: timedelta
    ) -> list[tuple[Effect, bool]]:
        """Write every intention that is not there yet."""
        begun = [await self.begin(name, vain=None, lasts=lasts) for name in names]
        return [(effect, own) for effect, own, _ in begun]

    async def record_all(
        self, done: Sequence[tuple[Effect, Any]], undone: Sequence[Effect]
    ) -> set[str]:
        """Record results and forget intentions, where they still stand."""
        for effect in undone:
            await self.withdraw(effect)
        return {effect.key for effect, value in done if await self.record(effect, value) is effect}

    async def wait(self, seconds: float) -> None:
        """Let the fake clock go, and whatever else runs in the loop."""
        self.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)


def _is_intended(effect: Effect) -> bool:
    return effect.state is EffectState.INTENDED


@dataclass(frozen=True, kw_only=True)
class MemoryProgress:
    """Keeps every progress of an attempt."""

    journal: Journal
    attempt: int

    async def publish(self, percentage: float, stage: str, details: Mapping[str, Any]) -> None:
        """Keep it as watchers would get it."""
        sent_percentage, sent_stage, sent_details = as_sent(percentage, stage, details)
        self.journal.progress.append(
            ProgressSeen(
                percentage=sent_percentage,
                stage=sent_stage,
                details=sent_details,
                attempt=self.attempt,
            )
        )
        await self.journal.reached(stage)


def through_json(value: Any) -> Any:
    """What is left of a value once it was stored as JSON.

    Raises:
        TypeError: JSON cannot hold it.
        ValueError: it has a number that JSON has no word for.
    """
    return json.loads(json.dumps(value, allow_nan=False))
