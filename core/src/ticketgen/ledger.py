"""How one attempt of a run reads and writes the ledger of outside effects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import SessionFactory, connected_session, database_time
from ticketgen.domain import effects
from ticketgen.domain.effects import Effect, EffectName

__all__ = ["DatabaseLedger", "Ledger"]


class Ledger(Protocol):
    """The ledger as one attempt sees it; every call is a transaction of its own.

    What it raises is what the transaction raised: a database that is away, a stale attempt.
    """

    async def begin(
        self, name: EffectName, *, vain: Effect | None, lasts: timedelta
    ) -> tuple[Effect, bool, float]:
        """Write the intention, or read what is there; whether it is the attempt's own.

        With it, for how many seconds the call may be under way. `vain` is an intention of which
        is known that it did nothing; the attempt's takes its place. Refuses a stale attempt.
        """
        ...

    async def record_found(self, intention: Effect, value: Any) -> None:
        """Record what a look into the other system found; refuses a stale attempt."""
        ...

    async def record(self, intention: Effect, value: Any) -> Effect | None:
        """Record what the call gave, if the intention is still there; what stands there then."""
        ...

    async def withdraw(self, intention: Effect) -> None:
        """Forget an intention of which it is certain that nothing was done."""
        ...

    async def begin_all(
        self, names: Sequence[EffectName], *, lasts: timedelta
    ) -> list[tuple[Effect, bool]]:
        """Write every intention that is not there yet; each effect, and whether it is our own."""
        ...

    async def record_all(
        self, done: Sequence[tuple[Effect, Any]], undone: Sequence[Effect]
    ) -> set[str]:
        """Record results and forget intentions, all or none; the keys whose result was written."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass, by the ledger's clock."""
        ...


@dataclass(frozen=True, kw_only=True)
class DatabaseLedger:
    """The ledger in Postgres, which all attempts of all runs share."""

    run_id: UUID
    attempt: int
    session_id: UUID | None
    session_factory: SessionFactory
    transaction: Callable[[], AbstractAsyncContextManager[AsyncSession]]
    """The attempt's own, which is refused once the attempt is stale."""

    async def begin(
        self, name: EffectName, *, vain: Effect | None, lasts: timedelta
    ) -> tuple[Effect, bool, float]:
        """Write the intention, or read what is there; in a fenced transaction."""
        async with self.transaction() as db:
            taken = vain and await effects.take_over(
                db, vain, run_id=self.run_id, attempt=self.attempt, lasts=lasts
            )
            effect, own = (
                (taken, True)
                if taken
                else await effects.begin_effect(
                    db,
                    name,
                    session_id=self.session_id,
                    run_id=self.run_id,
                    attempt=self.attempt,
                    lasts=lasts,
                )
            )
            left = (effect.over_at - await database_time(db)).total_seconds()
        return effect, own, left

    async def record_found(self, intention: Effect, value: Any) -> None:
        """Record what a look found; in a fenced transaction."""
        async with self.transaction() as db:
            await effects.record_result(db, intention, value)

    async def record(self, intention: Effect, value: Any) -> Effect | None:
        """Record what the call gave, whoever has the run by now: what happened has happened."""
        async with connected_session(self.session_factory) as db:
            recorded = await effects.record_result(db, intention, value)
            there = recorded or await effects.read_effect(db, intention.name)
            await db.commit()
        return there

    async def withdraw(self, intention: Effect) -> None:
        """Forget the intention; another's stays."""
        async with connected_session(self.session_factory) as db:
            await effects.withdraw(db, intention)
            await db.commit()

    async def begin_all(
        self, names: Sequence[EffectName], *, lasts: timedelta
    ) -> list[tuple[Effect, bool]]:
        """Write every intention that is not there yet; in one fenced transaction."""
        async with self.transaction() as db:
            # In one order for all: of two that want the same, one waits for the other.
            return [
                await effects.begin_effect(
                    db,
                    name,
                    session_id=self.session_id,
                    run_id=self.run_id,
                    attempt=self.attempt,
                    lasts=lasts,
                )
                for name in sorted(names, key=str)
            ]

    async def record_all(
        self, done: Sequence[tuple[Effect, Any]], undone: Sequence[Effect]
    ) -> set[str]:
        """Record results and forget intentions, whoever has the run by now."""
        async with connected_session(self.session_factory) as db:
            recorded = [await effects.record_result(db, effect, value) for effect, value in done]
            for effect in undone:
                await effects.withdraw(db, effect)
            await db.commit()
        return {effect.key for effect in recorded if effect is not None}

    async def wait(self, seconds: float) -> None:
        """Wait: the database's clock goes as ours does."""
        await asyncio.sleep(seconds)
