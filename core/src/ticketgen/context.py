"""Everything a task handler may touch, and the ports through which the host provides it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.database import SessionFactory, connected_session, database_time
from ticketgen.domain.effects import EffectName
from ticketgen.domain.run_steps import load_step, save_step
from ticketgen.domain.transitions import hold_attempt
from ticketgen.domain.users import User
from ticketgen.effects import Attempt, Deed, done_once
from ticketgen.effects_together import SharedDeed, Together, done_together
from ticketgen.ledger import DatabaseLedger, Ledger
from ticketgen.ports import Contributions, HookAnswers, ProgressPort, RunIdentity, StartedRun
from ticketgen.storable import storable
from ticketgen.vault import Vault

__all__ = ["TaskContext"]

# Counted per asyncio task: a transaction of one branch of a handler is no reason to refuse a
# remote call of another that runs beside it.
_open_transactions: ContextVar[int] = ContextVar("open_transactions", default=0)


@contextmanager
def _open_transaction() -> Iterator[None]:
    _open_transactions.set(_open_transactions.get() + 1)
    try:
        yield
    finally:
        _open_transactions.set(_open_transactions.get() - 1)


class TaskContext:
    """A handler's hands: short fenced transactions, progress, stored steps, other tasks.

    It never gives a bare database session or a Redis connection: what a dead attempt still
    tries to write is refused at its commit.
    """

    def __init__(
        self,
        *,
        run: RunIdentity,
        settings: Any,
        contributions: Contributions,
        hooks: HookAnswers,
        session_factory: SessionFactory,
        progress: ProgressPort,
        start: Callable[..., Awaitable[StartedRun]],
        start_many: Callable[..., Awaitable[list[UUID]]],
        vault: Vault,
        state: Any = None,
        states: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.run = run
        self.settings = settings
        self.state = state
        """What the plugin's `lifespan` has yielded in this process."""
        self.states = states
        """The same of every plugin, by name, for values that others contribute."""
        self.vault = vault
        """The plugin's secrets of other systems, sealed at rest."""
        self.contributions = contributions
        self.hooks = hooks
        self._session_factory = session_factory
        self._progress = progress
        self._start = start
        self._start_many = start_many

    @property
    def session_id(self) -> UUID:
        """The session of a task whose subject is a session."""
        assert self.run.session_id is not None, "this run has no session"  # noqa: S101
        return self.run.session_id

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction of this attempt: committed at the end, unless the attempt is stale.

        Keep it short, and never call another machine inside (see `remote`).

        Raises:
            DatabaseUnavailableError: no connection could be had; the run is tried again later.
            StaleAttemptError: another attempt has taken over; nothing was written.
        """
        async with connected_session(self._session_factory) as db:
            with _open_transaction():
                yield db
                await db.flush()
                await self._hold(db)
                await db.commit()

    async def _hold(self, db: AsyncSession) -> None:
        await hold_attempt(db, self.run.id, self.run.attempt)

    @contextmanager
    def remote(self) -> Iterator[None]:
        """Around every call to another machine: proves that no transaction waits for it.

        Raises:
            RuntimeError: a transaction is open around the call, a mistake in the handler.
        """
        if _open_transactions.get():
            raise RuntimeError("a transaction is open across a remote call; close it first")
        yield

    async def progress(self, percentage: float, stage: str, **details: Any) -> None:
        """Say how far the work is: 0 to 100, a stage a person understands, JSON-able details."""
        await self._progress.publish(min(100.0, max(0.0, percentage)), stage, details)

    async def checkpoint(self) -> None:
        """Let the event loop breathe, and a wish to stop through: for loops that never wait.

        Raises:
            asyncio.CancelledError: the run is to stop; clean up in `finally`, and let it pass.
        """
        await asyncio.sleep(0)

    async def step(self, key: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, done once in this lineage of runs and stored under `key`.

        An attempt that comes after a killed one gets the stored result instead of doing the
        work again. The result must be JSON-able and comes back as JSON would give it, the
        first time too. Between the end of `work` and the commit of its result a kill makes the
        step run twice: what must not happen twice belongs into `work` itself.
        """
        found = await self.find_step(key)
        return found["value"] if found is not None else await self.keep_step(key, await work())

    async def find_step(self, key: str) -> dict[str, Any] | None:
        """The first half of `step`: `{"value": …}` if the step has been done, else None."""
        async with connected_session(self._session_factory) as db:
            return await load_step(db, lineage_id=self.run.lineage_id, key=key)

    async def keep_step(self, key: str, result: Any) -> Any:
        """The second half of `step`: store what was done, and give it as JSON gives it back."""
        value = storable(json.loads(json.dumps(result)))
        await self._save_step(key, value)
        return value

    async def _save_step(self, key: str, value: Any) -> None:
        async with self.transaction() as db:
            await save_step(db, lineage_id=self.run.lineage_id, key=key, value=value)

    async def effect(
        self,
        operation: str,
        key: str,
        perform: Callable[[], Awaitable[Any]],
        *,
        look_up: Callable[[], Awaitable[Any | None]] | None = None,
        refused: tuple[type[Exception], ...] = (),
        timeout: timedelta = timedelta(seconds=30),
    ) -> Any:
        """The result of `perform`, which changes another system: done at most once for the key.

        At most once for this plugin, operation and key, over all attempts, retries and lineages;
        the result must be JSON-able and comes back as JSON would give it. `perform` is stopped
        after `timeout`, which should be longer than the other system takes at worst. A
        cancellation waits for it and for the writing of its result.

        If an earlier call may have done it, `look_up` is asked once that call must be over: what
        it gives is the result, and None says that nothing was done *and will not be*. It raises
        a `TemporaryError` if it cannot tell yet, an `OutcomeUnknownError` if it cannot tell.
        `refused` are the errors of `perform` that prove that nothing was done; after any other
        error the outcome is unknown.

        Raises:
            OutcomeUnknownError: it may have been done, and only a person can find out.
            EffectUnsettledError: it may have been done; the run is tried again and finds out.
            StaleAttemptError: another attempt has taken over; nothing was begun.
            RuntimeError: a transaction is open, a mistake in the handler.
        """
        plugin, _, _ = self.run.task_type.partition(".")
        deed = Deed(
            name=EffectName(plugin=plugin, operation=operation, key=key),
            perform=perform,
            look_up=look_up,
            refused=refused,
            timeout=timeout,
        )
        return await done_once(Attempt(ledger=self._ledger(), remote=self.remote), deed)

    async def effects(
        self,
        operation: str,
        keys: Sequence[str],
        perform: Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]],
        *,
        refused: tuple[type[Exception], ...] = (),
        timeout: timedelta = timedelta(seconds=30),
    ) -> Together:
        """Several effects by one call: each key is done at most once, as by `effect`.

        `perform` gets the keys that nobody has begun, and answers for each with its result or with
        an error of `refused`. A key of which nothing is known afterwards is in neither part of what
        comes back: ask `effect` for it, which looks up what became of it.

        Raises:
            EffectUnsettledError: the call was not answered in time; each key is open.
            StaleAttemptError: another attempt has taken over; nothing was begun.
            RuntimeError: a transaction is open, a mistake in the handler.
        """
        plugin, _, _ = self.run.task_type.partition(".")
        deed = SharedDeed(
            plugin=plugin,
            operation=operation,
            keys=tuple(keys),
            perform=perform,
            refused=refused,
            timeout=timeout,
        )
        return await done_together(Attempt(ledger=self._ledger(), remote=self.remote), deed)

    def _ledger(self) -> Ledger:
        return DatabaseLedger(
            run_id=self.run.id,
            attempt=self.run.attempt,
            session_id=self.run.session_id,
            session_factory=self._session_factory,
            transaction=self.transaction,
        )

    async def start(
        self,
        task_type: str,
        *,
        session_id: UUID | None = None,
        request: BaseModel | None = None,
        user: User | None = None,
    ) -> StartedRun:
        """Start another task, by its qualified name, in a transaction of its own."""
        return await self._start(task_type, session_id=session_id, request=request, user=user)

    async def start_many(
        self,
        task_type: str,
        requests: Sequence[BaseModel | Mapping[str, Any]],
        *,
        session_id: UUID | None = None,
        user: User | None = None,
    ) -> list[UUID]:
        """Start many runs of one task by one call, all or none; their ids, in the same order.

        The task has to allow any number of runs at once (`Exclusivity.NONE`). An attempt that
        comes after a killed one starts them again, unless a `step` has kept that it was done;
        a kill in between starts them twice.

        Raises:
            InvalidInputError: a request does not fit, or the task runs once at a time.
        """
        return await self._start_many(task_type, requests, session_id=session_id, user=user)

    async def now(self) -> datetime:
        """The time, by the one clock all machines share: the database's."""
        async with connected_session(self._session_factory) as db:
            return await database_time(db)
