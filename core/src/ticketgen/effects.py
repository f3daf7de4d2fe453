"""Does what changes another system at most once, by a ledger that is written before and after.

The order is: the intention is committed, the call is made, its result is committed. Whoever finds
an intention of somebody else cannot know whether that call did anything; it waits until the call
must be over, and looks in the other system. docs/adr/0016 argues what this guarantees and what not.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ticketgen.background import end_tasks
from ticketgen.database import DatabaseUnavailableError, passes_by_itself
from ticketgen.domain.effects import Effect, EffectName, EffectState
from ticketgen.errors import OutcomeUnknownError, TemporaryError
from ticketgen.ledger import Ledger
from ticketgen.storable import storable, storable_text

__all__ = [
    "MARGIN",
    "Attempt",
    "Deed",
    "EffectUnsettledError",
    "OverdueError",
    "as_json",
    "check_name",
    "done_once",
    "lasting",
    "surely_recorded",
    "to_its_end",
    "within",
]

MARGIN = timedelta(seconds=5)
"""A call counts as over so long after its time limit: the other side may still be writing."""

_LOOK_EVERY = 1.0
_RECORD_FOR = 15.0
_UNWIND_SECONDS = 0.5
"""What a call that is stopped at its time limit may take before it is told again."""
_LONGEST = {"plugin": 100, "operation": 200, "key": 300}

ResultT = TypeVar("ResultT")

_log = structlog.get_logger(__name__)


class EffectUnsettledError(TemporaryError):
    """What became of a call to another system is not known yet; the next try finds out."""

    code = "effect_unsettled"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Who does it: one attempt of a run, with its view of the ledger."""

    ledger: Ledger
    remote: Callable[[], AbstractContextManager[None]]
    """Around every call: refuses one inside a transaction."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be done, and how one finds out whether it was."""

    name: EffectName
    perform: Callable[[], Awaitable[Any]]
    look_up: Callable[[], Awaitable[Any | None]] | None
    refused: tuple[type[Exception], ...]
    timeout: timedelta

    def __post_init__(self) -> None:
        """Refuse what the ledger could not hold, before anything is done."""
        check_name(self.name)
        if self.timeout <= timedelta(0):
            raise ValueError("the timeout of an effect must be longer than nothing")


def lasting(timeout: timedelta) -> timedelta:
    """For how long a call of that time limit may be at work, counted from its intention."""
    return timeout + MARGIN


def check_name(name: EffectName) -> None:
    """Refuse a name that the ledger could not hold.

    Raises:
        ValueError: a part of it is empty, too long, or not storable.
    """
    for part, longest in _LONGEST.items():
        text = str(getattr(name, part))
        if not 0 < len(text) <= longest or storable_text(text) != text:
            message = f"the {part} of an effect needs 1 to {longest} storable characters"
            raise ValueError(f"{message}, not {text[:400]!r}")


async def done_once(attempt: Attempt, deed: Deed) -> Any:
    """The result of the deed, done by this call or by any before it, as JSON gives it back.

    Raises:
        OutcomeUnknownError: it may have been done, and nobody but a person can find out.
        EffectUnsettledError: it may have been done; a later try finds out.
        RuntimeError: a transaction is open, which would wait for the other system.
    """
    with attempt.remote():
        pass  # before anything is written
    vain: Effect | None = None
    while True:
        effect, left = await to_its_end(partial(_begin, attempt, deed, vain))
        if effect.state is EffectState.DONE:
            return effect.value
        if left > 0:
            # In short pieces: its owner may end it meanwhile, and then nothing is unknown.
            await attempt.ledger.wait(min(left, _LOOK_EVERY))
            vain = None
            continue
        value = await _look_up(attempt, deed)
        if value is None:
            vain = effect
            continue
        await attempt.ledger.record_found(effect, value)
        _log.info("effect_found", effect=str(deed.name))
        vain = None


async def to_its_end(work: Callable[[asyncio.Event], Coroutine[Any, Any, ResultT]]) -> ResultT:
    """Wait for the work whoever cancels; the cancellation is delivered after it.

    The work can look at the event to see that it need not begin. It is a task of its own, and
    no cancellation is ever sent to it.
    """
    stopping = asyncio.Event()
    task = asyncio.create_task(work(stopping))
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            stopping.set()
    if not stopping.is_set():
        return task.result()
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.warning("effect_failed_while_stopping", error=f"{type(error).__name__}: {error}")
    raise asyncio.CancelledError


async def _begin(
    attempt: Attempt, deed: Deed, vain: Effect | None, stopping: asyncio.Event
) -> tuple[Effect, float]:
    """Do it, if the ledger gives it to us; else what is there, and for how long it may be at work.

    `vain` is an intention of which is known that it did nothing.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + deed.timeout.total_seconds()
    effect, own, left = await attempt.ledger.begin(
        deed.name, vain=vain, lasts=lasting(deed.timeout)
    )
    if not own:
        return effect, left
    if stopping.is_set() or loop.time() >= deadline:
        await _withdraw(attempt, effect)
        if stopping.is_set():
            raise asyncio.CancelledError
        raise _unsettled(deed, "was not begun: there was no time left")
    value = await _perform(attempt, deed, effect, deadline - loop.time())
    return await _record(attempt, deed, effect, value), 0.0


async def _perform(attempt: Attempt, deed: Deed, effect: Effect, seconds: float) -> Any:
    try:
        with attempt.remote():
            value = await within(deed.perform, seconds)
    except OverdueError as error:
        raise _unsettled(deed, "was not answered in time") from error
    except deed.refused:
        await _withdraw(attempt, effect)
        raise
    return as_json(value)


async def _look_up(attempt: Attempt, deed: Deed) -> Any | None:
    if deed.look_up is None:
        raise _unknown(deed, OutcomeUnknownError(f"It is not known whether {deed.name} was done."))
    try:
        with attempt.remote():
            value = await within(deed.look_up, deed.timeout.total_seconds())
    except OverdueError as error:
        raise _unsettled(deed, "could not be looked up in time") from error
    except OutcomeUnknownError as error:
        raise _unknown(deed, error) from error
    return None if value is None else as_json(value)


class OverdueError(Exception):
    """A call was stopped at its time limit; a type of its own, so that no plugin can name it."""


async def within(call: Callable[[], Awaitable[ResultT]], seconds: float) -> ResultT:
    """What the call gives; after so many seconds it is cancelled until it has ended.

    Raises:
        OverdueError: it did not come to its end in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    task = asyncio.create_task(_guarded(call))
    # Straight to the call: if the process stood still, it must not take one more step before it
    # hears that its time is over, for that step may be the sending.
    alarm = loop.call_at(deadline, task.cancel)
    try:
        await asyncio.wait({task}, timeout=seconds + _UNWIND_SECONDS)
    except asyncio.CancelledError:
        await end_tasks(task)
        raise
    finally:
        alarm.cancel()
    if task.done() and loop.time() < deadline:
        return task.result()
    [outcome] = await end_tasks(task)
    if isinstance(outcome, BaseException):
        raise OverdueError from outcome
    # It came to its end in spite of the cancellation: what has happened has happened.
    return task.result()


async def _guarded(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    try:
        return await call()
    except SystemExit as error:
        # In a task it would end the event loop, and the worker with it.
        raise RuntimeError(f"the call raised SystemExit({error.code!r})") from error


async def _record(attempt: Attempt, deed: Deed, effect: Effect, value: Any) -> Effect:
    """Write the result, whoever has the run by now: what has happened has happened."""
    there = await surely_recorded(
        lambda: attempt.ledger.record(effect, value), f"{deed.name} {value!r}"
    )
    if there is not None and _same(there, effect):
        return there
    # Somebody took it over while our call ran beyond its time; both may have been done.
    _log.error("effect_overtaken", effect=str(deed.name), value=value)
    if there is not None and there.state is EffectState.DONE:
        return there
    raise _unsettled(deed, "was made, but its intention was not ours any more")


async def surely_recorded(record: Callable[[], Awaitable[ResultT]], about: str) -> ResultT:
    """What `record` gives, tried for a while where the database is away.

    Raises:
        Exception: what the last try raised; the log has what could not be recorded.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _RECORD_FOR
    delay = 0.1
    while True:
        try:
            return await record()
        except (DBAPIError, PoolTimeoutError, OSError, DatabaseUnavailableError) as error:
            passes = isinstance(error, DatabaseUnavailableError) or passes_by_itself(error)
            if not passes or loop.time() > give_up:
                _log.exception("effect_not_recorded", effect=about)
                raise
        await asyncio.sleep(delay)
        delay = min(2 * delay, 2.0)


def _same(one: Effect, other: Effect) -> bool:
    return (one.attempt, one.began_at) == (other.attempt, other.began_at)


async def _withdraw(attempt: Attempt, effect: Effect) -> None:
    """Forget our intention; if the database is away it stays, and is looked into later."""
    try:
        await attempt.ledger.withdraw(effect)
    except (DBAPIError, PoolTimeoutError, OSError, DatabaseUnavailableError) as error:
        _log.warning("effect_not_withdrawn", effect=str(effect.name), error=str(error))


def as_json(value: Any) -> Any:
    """The value as the ledger gives it back."""
    """The value as the ledger gives it back."""
    return storable(json.loads(json.dumps(value)))


def _unsettled(deed: Deed, what: str) -> EffectUnsettledError:
    return EffectUnsettledError(
        f"The call for {deed.name.operation} of {deed.name.key} {what}.",
        recovery_actions=["Wait: the next try finds out what became of it, and goes on."],
    )


def _unknown(deed: Deed, error: OutcomeUnknownError) -> OutcomeUnknownError:
    """The error with what a person has to do about it."""
    words = shlex.join(["ticketgen", "effects", "settle", *vars(deed.name).values()])
    return OutcomeUnknownError(
        error.message,
        recovery_actions=[
            *error.recovery_actions,
            f"Look in the other system whether {deed.name.operation} was done for {deed.name.key}.",
            f"If it was: {words} --done JSON. If it was not: {words} --not-done.",
            "Then start the task again.",
        ],
        technical_details={**error.technical_details, **vars(deed.name)},
    )
