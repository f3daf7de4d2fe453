"""One run, three steps: claim it, do the work, settle it; whatever happens, it is settled.

Claim and settle are transactions of their own, the work lies between them, and no queue decides
anything: a delivery that comes twice or late finds nothing to claim, and an attempt that has
been overtaken finds nothing to settle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.context import TaskContext
from ticketgen.database import passes_by_itself
from ticketgen.diagnosis import diagnose, timed_out
from ticketgen.domain import transitions
from ticketgen.domain.task_runs import TaskRun
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.handling import outcome_of, outcome_of_stopped, unreadable_payload
from ticketgen.hands import Hands, HeldRun, StopReason
from ticketgen.maintenance import repeating
from ticketgen.outcomes import Cancelled, Failed, HandedBack, Outcome, Parked
from ticketgen.ports import StartedRun
from ticketgen.registry import RegisteredTask
from ticketgen.reporting import ProgressReporter, ProgressRows
from ticketgen.run_claims import RunClaims
from ticketgen.runtime import Runtime
from ticketgen.settling import identity_of
from ticketgen.solitude import Solitude

__all__ = ["Runner"]

_log = structlog.get_logger(__name__)

_UNWIND_SECONDS = 10.0
"""So long a handler that was told to stop may take for its `finally` blocks."""

_ASK_AGAIN_SECONDS = 3.0
"""A cancellation can get lost (see `background.py`); one that is asked again at once would break
off the `finally` block that the first one began."""

_RESERVED = timedelta(seconds=6)
"""So long a run that waits to be alone is kept from other workers, renewed while it waits."""

_SETTLE_SECONDS = 5.0
"""At least so long a shutdown waits for runs to be settled, however short its grace is."""

_SETTLE_AGAIN_SECONDS = (0.2, 5.0)
"""First and longest pause between two tries to settle while the database is away."""


class Runner:
    """Runs runs; every worker process has one."""

    def __init__(self, runtime: Runtime, *, worker_id: UUID, worker: str = "") -> None:
        self._runtime = runtime
        self._registry = runtime.registry
        self._session_factory = runtime.session_factory
        self._settings = runtime.settings
        self._settler = runtime.settler
        self._solitude = Solitude()
        self._waiting: set[UUID] = set()
        self._abandoned: set[asyncio.Task[Outcome]] = set()
        self._progress_rows = ProgressRows(runtime.session_factory)
        self.worker_id = worker_id
        self.hands = Hands()
        """The runs at work here."""
        self.claims = RunClaims(
            session_factory=runtime.session_factory,
            registry=runtime.registry,
            settings=runtime.settings,
            worker_id=worker_id,
            worker=worker,
            hands=self.hands,
        )

    def may_take(self) -> int | None:
        """How many more runs may be taken: none while one is, or waits to be, alone; else any."""
        return 0 if self._solitude.is_wanted else None

    async def run(self, run_id: UUID, *, worked: Callable[[], object] = lambda: None) -> None:
        """Claim the run, work, settle; does nothing if there is nothing to claim.

        `worked` is called when the work is over and only the settling is left. Cancelling this
        coroutine hands the run back to the queue without spending a try.
        """
        if run_id in self._waiting:
            return  # a second delivery of one that waits to be alone
        self._waiting.add(run_id)
        try:
            async with self._solitude.beside_others():
                if await self._run(run_id, alone=False, worked=worked):
                    return
            if not self._solitude.is_wanted and await self._reserve(run_id):
                await self._run_alone(run_id)
        finally:
            self._waiting.discard(run_id)

    async def _run_alone(self, run_id: UUID) -> None:
        """Wait until nothing else is in hand, and do it, if it still is there to be done."""
        if self._solitude.is_wanted:
            return  # one at a time; its reservation lapses, and it is delivered to another worker
        async with AsyncExitStack() as stack:
            waiting = asyncio.timeout(None)
            try:
                async with waiting, self._reserving(run_id, waiting):
                    await stack.enter_async_context(self._solitude.alone())
            except TimeoutError:
                if waiting.expired():
                    return
                raise
            await self._run(run_id, alone=True)

    async def _run(
        self, run_id: UUID, *, alone: bool, worked: Callable[[], object] = lambda: None
    ) -> bool:
        """Do it all for one run; False if there was nothing to claim."""
        held, shutdown = await self._claim(run_id, alone=alone)
        if held is None:
            _log.debug("run_not_claimable", run=str(run_id))
            if shutdown:
                raise asyncio.CancelledError
            return False
        run = held.run
        registered = self._registry.tasks[run.task_type]
        with structlog.contextvars.bound_contextvars(
            plugin=registered.plugin.name,
            task=run.task_type,
            run=str(run.id),
            session=str(run.session_id) if run.session_id else None,
            attempt=run.attempt,
        ):
            try:
                outcome: Outcome = HandedBack()
                if not shutdown:
                    outcome, shutdown = await self._work(held, registered)
                held.outcome = outcome
                worked()
                await self._settle_surely(held, outcome, shutdown=shutdown)
            except StaleAttemptError:
                _log.warning("attempt_overtaken")
            finally:
                self.hands.drop(held)
        return True

    async def _claim(self, run_id: UUID, *, alone: bool) -> tuple[HeldRun | None, bool]:
        """What was claimed, and whether we shut down meanwhile.

        It may be claimed by one transaction with others, which nobody breaks off: what has been
        claimed for us is handed back.
        """
        if not alone:
            together = self.claims.claim_with_others(run_id)
            shutdown = await _outlasting(together)
            if shutdown or together.result() is not None:
                return together.result(), shutdown
        claiming = asyncio.create_task(self.claims.claim_by_itself(run_id, alone=alone))
        shutdown = await _outlasting(claiming)
        return claiming.result(), shutdown

    async def _reserve(self, run_id: UUID, *, renewing: bool = False) -> bool:
        """Keep a run from others that may be claimed alone only; False if it is none such."""
        async with self._session_factory() as db:
            reserved = await transitions.reserve_run(
                db, run_id, until_claimed=_RESERVED, renewing=renewing
            )
            await db.commit()
        return reserved

    def _reserving(
        self, run_id: UUID, waiting: asyncio.Timeout
    ) -> AbstractAsyncContextManager[None]:
        """Go on reserving while others end here: or every worker would stand still for this run.

        If it was cancelled, or claimed by another, the waiting for it ends.
        """

        async def renew() -> None:
            if not await self._reserve(run_id, renewing=True):
                waiting.reschedule(asyncio.get_running_loop().time())

        return repeating(renew, every=_RESERVED / 3, name="reserving")

    async def _work(self, held: HeldRun, registered: RegisteredTask) -> tuple[Outcome, bool]:
        """Run the handler until it ends or has to stop; the outcome, and whether we shut down."""
        _log.info("run_began", tries=held.run.tries)
        handler = asyncio.create_task(
            self._handle(held, registered), name=f"handler:{held.run.task_type}"
        )
        limit = self.claims.time_limit(held.run)
        first: set[asyncio.Future[Any]] = {handler, held.stopped}
        told: Outcome | None = None
        shutdown = False
        try:
            await asyncio.wait(
                first, timeout=limit.total_seconds(), return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            told, shutdown = HandedBack(), True
        if not handler.done():
            told = told or _told(held, limit)
            _log.info("handler_told_to_stop", because=type(told).__name__)
            shutdown = await self._stop(handler) or shutdown
        return outcome_of_stopped(handler, told), shutdown

    async def _handle(self, held: HeldRun, registered: RegisteredTask) -> Outcome:
        """What the handler makes of it; raises only if it is overtaken or cancelled."""
        run = held.run
        try:
            payload = registered.task.payload.model_validate(run.payload)
        except ValidationError as error:
            return self._unreadable(registered, error)
        reporter = ProgressReporter(run, self._runtime.publisher, self._progress_rows)
        context = self._context(run, registered, reporter)

        async def work() -> BaseModel | dict[str, Any]:
            try:
                async with reporter.running():
                    return await registered.task.handler(context, payload)
            finally:
                held.unstored = reporter.unstored

        return await outcome_of(work)

    def _unreadable(self, registered: RegisteredTask, error: ValidationError) -> Parked:
        name = registered.plugin.name
        version = self._registry.version_of(name)
        _log.error("payload_unreadable", version=version, error=str(error))
        return unreadable_payload(name, version, error)

    def _context(
        self, run: TaskRun, registered: RegisteredTask, reporter: ProgressReporter
    ) -> TaskContext:
        async def start(task_type: str, **arguments: Any) -> StartedRun:
            async with self._runtime.unit_of_work() as work:
                started = await work.start(task_type, **arguments)
                await transitions.hold_attempt(work.db, run.id, run.attempt)
            return started

        async def start_many(task_type: str, requests: Any, **arguments: Any) -> list[UUID]:
            async with self._runtime.unit_of_work() as work:
                run_ids = await work.start_many(task_type, requests, **arguments)
                await transitions.hold_attempt(work.db, run.id, run.attempt)
            return run_ids

        return TaskContext(
            run=identity_of(run),
            settings=registered.settings,
            contributions=self._registry,
            hooks=self._registry.hooks,
            session_factory=self._session_factory,
            progress=reporter,
            start=start,
            start_many=start_many,
            vault=self._runtime.vault(registered.plugin.name),
            state=self._runtime.states.get(registered.plugin.name),
            states=self._runtime.states,
        )

    async def _stop(self, handler: asyncio.Task[Outcome]) -> bool:
        """Cancel the handler and wait for its end, for a while; whether we shut down meanwhile.

        One that will not end is left behind: what it still writes is refused.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _UNWIND_SECONDS
        shutdown = False
        while not handler.done() and loop.time() < until:
            handler.cancel()
            again = min(loop.time() + _ASK_AGAIN_SECONDS, until)
            while not handler.done() and (left := again - loop.time()) > 0:
                try:
                    await asyncio.wait({handler}, timeout=left)
                except asyncio.CancelledError:
                    shutdown = True
        if not handler.done():
            _log.error("handler_will_not_end", waited_seconds=_UNWIND_SECONDS)
            self._abandoned.add(handler)
            handler.add_done_callback(self._abandoned.discard)
        return shutdown

    async def _settle_surely(self, held: HeldRun, outcome: Outcome, *, shutdown: bool) -> None:
        """Settle, again and again until the database has it.

        A shutdown does not cut it short at once, but after the grace: with the database away
        the run is then left to the reconciler, like any run of a worker that died.
        """
        settling = asyncio.create_task(self._settle_with_patience(held, outcome))
        grace = max(_SETTLE_SECONDS, self._settings.shutdown_grace.total_seconds())
        while not settling.done():
            try:
                _, pending = await asyncio.wait({settling}, timeout=grace if shutdown else None)
            except asyncio.CancelledError:
                shutdown = True
            else:
                if pending:
                    await end_tasks(settling)
        if not settling.cancelled():
            settling.result()
        if shutdown:
            raise asyncio.CancelledError

    async def _settle_with_patience(self, held: HeldRun, outcome: Outcome) -> None:
        delay, longest = _SETTLE_AGAIN_SECONDS
        refused = False
        while True:
            try:
                await self._settler.settle(held.run, outcome, progress=held.unstored)
            except (DBAPIError, PoolTimeoutError, OSError) as error:
                if passes_by_itself(error):
                    _log.warning("settle_postponed", error=str(error), retry_in=delay)
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, longest)
                elif refused:
                    raise
                else:
                    _log.exception("settle_refused")
                    refused, outcome = True, Failed(error=diagnose(error))
            else:
                return


def _told(held: HeldRun, limit: timedelta) -> Outcome:
    """What a handler that does not end by itself comes to: by whom, or what, it was stopped."""
    if not held.stopped.done():
        return Failed(error=timed_out(limit))
    return Cancelled() if held.stopped.result() is StopReason.CANCEL else HandedBack()


async def _outlasting(future: asyncio.Future[Any]) -> bool:
    """Wait until it is done, whoever cancels us meanwhile; whether somebody did."""
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            cancelled = True
    return cancelled
