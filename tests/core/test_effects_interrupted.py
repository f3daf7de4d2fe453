"""An effect is broken off at every point there is; at most one thing is ever created."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, new_attempt
from ticketgen import Exclusivity, TaskContext, effects
from ticketgen.domain import effects as ledger
from ticketgen.domain.effects import EffectState
from ticketgen.errors import OutcomeUnknownError, TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

AT_ONCE = 6
MOST_POINTS = 300


@dataclass
class Watch:
    """Counts the moments at which the tasks of one effect wait, and strikes at one of them."""

    at: int
    strike: Callable[[Watch], None]
    seen: int = 0
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def has_struck(self) -> bool:
        return self.seen >= self.at

    def passed(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            asyncio.get_running_loop().call_soon(self.strike, self)


def killed(watch: Watch) -> None:
    """All of it ends at once, as in a process that dies."""
    for task in watch.tasks:
        task.cancel()


def stopped(watch: Watch) -> None:
    """Somebody cancels the handler."""
    watch.tasks[0].cancel()


watching: ContextVar[Watch | None] = ContextVar("watching", default=None)


class _Watched:
    """A coroutine whose every wait is counted."""

    def __init__(self, work: Coroutine[Any, Any, Any], watch: Watch) -> None:
        self._work = work
        self._watch = watch

    def __await__(self) -> Generator[Any, Any, Any]:
        value, error = None, None
        while True:
            try:
                awaited = self._work.throw(error) if error else self._work.send(value)
            except StopIteration as ending:
                return ending.value
            self._watch.passed()
            value, error = None, None
            try:
                value = yield awaited
            except BaseException as raised:
                error = raised


def _watched_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    watch = watching.get()
    if watch is None:
        return asyncio.Task(work, loop=loop, **options)

    async def watched() -> Any:
        return await _Watched(work, watch)

    task = asyncio.Task(watched(), loop=loop, **options)
    watch.tasks.append(task)
    return task


async def broken_off(work: Coroutine[Any, Any, Any], watch: Watch) -> None:
    """Run it in tasks that are watched, until the last of them has ended."""
    token = watching.set(watch)
    try:
        first = asyncio.create_task(work)
    finally:
        watching.reset(token)
    while not (first.done() and all(task.done() for task in watch.tasks)):
        await asyncio.wait(watch.tasks)


@pytest.fixture
async def runtime(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    monkeypatch.setattr(effects, "MARGIN", elsewhere.MARGIN)
    monkeypatch.setattr(effects, "_LOOK_EVERY", 0.05)
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as opened:
        yield opened


async def _try_again(runtime: Runtime, there: Elsewhere, key: str, *, find: bool) -> str:
    """What a later, undisturbed attempt comes to."""
    ctx = await new_attempt(runtime)
    for _ in range(5):
        await elsewhere.over(runtime, key)
        try:
            await do(ctx, there, key, find=find)
        except TemporaryError:
            continue
        except OutcomeUnknownError:
            return "unknown"
        return "done"
    return "endless"


async def _check(runtime: Runtime, there: Elsewhere, key: str, *, find: bool) -> str:
    """Go on after whatever happened, and see that there is one thing, or a question."""
    outcome = await _try_again(runtime, there, key, find=find)
    created = there.created.count(key)
    known = await elsewhere.ledger(runtime, key)
    assert known is not None
    if outcome == "done":
        assert (known.state, created) == (EffectState.DONE, 1), key
    else:
        assert (outcome, known.state, find) == ("unknown", EffectState.INTENDED, False), key
        assert created <= 1, key
    return outcome


AFTER = pytest.mark.parametrize(
    "died_before", [False, True], ids=["first attempt", "after a dead one"]
)
LOOK = pytest.mark.parametrize("find", [True, False], ids=["with a look", "without"])


@AFTER
@LOOK
@pytest.mark.parametrize("strike", [killed, stopped])
async def test_an_effect_broken_off_at_any_wait_is_done_once_or_asked_about(
    runtime: Runtime, strike: Callable[[Watch], None], find: bool, died_before: bool
) -> None:
    there = Elsewhere()
    outcomes: dict[int, str] = {}
    gate = asyncio.Semaphore(AT_ONCE)
    asyncio.get_running_loop().set_task_factory(_watched_task)  # type: ignore[arg-type]

    async def break_off(point: int) -> bool:
        async with gate:
            key = f"{strike.__name__}-{point}"
            if died_before:
                await elsewhere.intended(runtime, key)
            ctx = await new_attempt(runtime)
            watch = Watch(at=point, strike=strike)
            await broken_off(do(ctx, there, key, find=find), watch)
            outcomes[point] = await _check(runtime, there, key, find=find)
            return watch.has_struck

    struck, first = True, 1
    while struck:
        assert first < MOST_POINTS
        struck = all(
            await asyncio.gather(*(break_off(point) for point in range(first, first + AT_ONCE)))
        )
        first += AT_ONCE

    assert len(outcomes) > (10 if died_before else 15)
    assert set(outcomes.values()) == _possible(strike, find=find, died_before=died_before)


def _possible(strike: Callable[[Watch], None], *, find: bool, died_before: bool) -> set[str]:
    if find:
        return {"done"}
    if died_before:
        return {"unknown"}
    # A stop is waited out, or the intention withdrawn: it leaves nothing in doubt.
    return {"done"} if strike is stopped else {"done", "unknown"}


SEAMS = ("begin_effect", "take_over", "record_result", "withdraw", "read_effect")


@dataclass
class Failing:
    """Fails once, at the n-th of the places where the ledger or the other system is spoken to."""

    at: int
    places: list[str] = field(default_factory=list)

    def passed(self, place: str) -> None:
        self.places.append(place)
        if len(self.places) == self.at:
            raise ConnectionResetError(f"gone at {place}")

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def failing(*arguments: Any, **options: Any) -> Any:
            self.passed(f"before {name}")
            result = await call(*arguments, **options)
            self.passed(f"after {name}")
            return result

        return failing

    def transaction(self, ctx: TaskContext) -> Callable[[], Any]:
        original = ctx.transaction

        @asynccontextmanager
        async def failing() -> AsyncIterator[Any]:
            self.passed("before a transaction")
            async with original() as db:
                yield db
                self.passed("before a commit")
            self.passed("after a commit")

        return failing


@AFTER
@LOOK
async def test_an_effect_that_fails_at_any_place_is_done_once_or_asked_about(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, find: bool, died_before: bool
) -> None:
    places: set[str] = set()
    for point in range(1, MOST_POINTS):
        there, key = Elsewhere(), f"failed-{point}"
        failing = Failing(at=point)
        if died_before:
            await elsewhere.intended(runtime, key)
        with monkeypatch.context() as patched:
            for name in SEAMS:
                patched.setattr(ledger, name, failing.around(name, getattr(ledger, name)))
            patched.setattr(there, "create", failing.around("create", there.create))
            patched.setattr(there, "find", failing.around("find", there.find))
            ctx = await new_attempt(runtime)
            patched.setattr(ctx, "transaction", failing.transaction(ctx))
            with suppress(ConnectionResetError, OutcomeUnknownError, TemporaryError):
                await do(ctx, there, key, find=find)
        await _check(runtime, there, key, find=find)
        places.update(failing.places)
        if len(failing.places) < point:
            break
    else:
        pytest.fail("it never came to its end")

    assert {"before a transaction", "after a commit", "before begin_effect"} <= places
    assert ("before find" in places) == (find and died_before)
    assert ("after create" in places) == (find or not died_before)
