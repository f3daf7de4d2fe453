"""An effect whose attempt is cancelled, overtaken or late while the call is under way."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, intended, ledger, new_attempt
from ticketgen import Exclusivity, effects
from ticketgen.domain import effects as ledger_of_effects
from ticketgen.domain.effects import EffectState
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.effects import EffectUnsettledError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


@pytest.fixture
async def runtime(settings: Settings) -> AsyncIterator[Runtime]:
    tasks = (lab.task(exclusivity=Exclusivity.NONE), lab.session_task("lab.session"))
    async with lab.open_lab(settings, *tasks) as opened:
        yield opened


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Elsewhere:
    monkeypatch.setattr(effects, "MARGIN", elsewhere.MARGIN)
    return Elsewhere()


async def _state(runtime: Runtime) -> EffectState | None:
    effect = await ledger(runtime)
    return None if effect is None else effect.state


async def test_a_cancellation_waits_for_the_call_and_its_record(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    called, answered = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        called.set()
        await answered.wait()

    there.after = answer
    doing = asyncio.create_task(do(ctx, there))
    await called.wait()

    for _ in range(3):
        doing.cancel()
        await asyncio.sleep(0.01)
    still_at_it = not doing.done()
    answered.set()
    ending = (await asyncio.gather(doing, return_exceptions=True))[0]

    assert still_at_it
    assert isinstance(ending, asyncio.CancelledError)
    assert await _state(runtime) is EffectState.DONE


async def test_a_time_limit_around_the_effect_still_fires_as_one(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    async def fires_now() -> None:
        limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)

    there.after = fires_now

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(None) as limit:
            await do(ctx, there)

    assert await _state(runtime) is EffectState.DONE


async def test_a_cancellation_before_the_call_leaves_no_intention(
    runtime: Runtime, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await new_attempt(runtime)
    doing: list[asyncio.Task[Any]] = []
    begin = ledger_of_effects.begin_effect

    async def cancelled_meanwhile(*arguments: Any, **options: Any) -> Any:
        begun = await begin(*arguments, **options)
        doing[0].cancel()
        await asyncio.sleep(0.01)
        return begun

    monkeypatch.setattr(ledger_of_effects, "begin_effect", cancelled_meanwhile)
    doing.append(asyncio.create_task(do(ctx, there)))
    ending = (await asyncio.gather(*doing, return_exceptions=True))[0]

    assert isinstance(ending, asyncio.CancelledError)
    assert there.created == []
    assert await ledger(runtime) is None


async def test_a_cancellation_ends_a_wait_and_a_look_at_once(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)
    ctx = await new_attempt(runtime)
    looking = asyncio.Event()

    async def find() -> None:
        looking.set()
        await asyncio.sleep(1_000)

    doing = asyncio.create_task(
        ctx.effect("create", "one", lambda: there.create("one"), look_up=find)
    )
    await looking.wait()
    doing.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(lab.PATIENCE):
            await doing
    assert there.created == []


async def test_what_an_overtaken_attempt_did_is_recorded_all_the_same(
    runtime: Runtime, there: Elsewhere
) -> None:
    run = await lab.start(runtime)
    ctx = await new_attempt(runtime, run)
    called, answered = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        called.set()
        await answered.wait()

    there.after = answer
    first = asyncio.create_task(do(ctx, there))
    await called.wait()
    second = asyncio.create_task(do(await new_attempt(runtime, run), there))
    await asyncio.sleep(0.05)
    waiting = not second.done()
    answered.set()

    results = await asyncio.gather(first, second)

    assert list(results) == [{"number": 1}] * 2
    assert waiting
    assert (there.created, there.looked_up) == (["one"], 0)


async def test_an_overtaken_attempt_begins_nothing(runtime: Runtime, there: Elsewhere) -> None:
    run = await lab.start(runtime)
    stale = await new_attempt(runtime, run)
    await new_attempt(runtime, run)

    with pytest.raises(StaleAttemptError):
        await do(stale, there)

    assert there.created == []
    assert await ledger(runtime) is None


async def test_a_process_that_stood_still_after_its_intention_does_not_call(
    runtime: Runtime, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await new_attempt(runtime)
    transaction = ctx.transaction

    @asynccontextmanager
    async def standing_still() -> AsyncIterator[AsyncSession]:
        async with transaction() as db:
            yield db
        time.sleep(1.5 * elsewhere.BRIEF.total_seconds())  # noqa: ASYNC251 - all of it stands

    monkeypatch.setattr(ctx, "transaction", standing_still)

    with pytest.raises(EffectUnsettledError, match="no time left"):
        await do(ctx, there, timeout=elsewhere.BRIEF)

    assert there.created == []
    assert await ledger(runtime) is None


async def test_a_call_that_stood_still_beyond_its_time_takes_not_one_step_more(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    loop = asyncio.get_running_loop()
    ready, arrives = socket.socketpair()
    ready.setblocking(False)

    def stand_still() -> None:
        arrives.send(b"x")
        time.sleep(1.5 * elsewhere.BRIEF.total_seconds())

    async def connect() -> None:
        loop.call_soon(stand_still)
        await loop.sock_recv(ready, 1)

    there.before = connect
    with ready, arrives, pytest.raises(EffectUnsettledError, match="not answered in time"):
        await do(ctx, there, timeout=elsewhere.BRIEF)

    assert there.created == []
    assert await _state(runtime) is EffectState.INTENDED


async def test_the_result_of_an_intention_that_was_taken_over_replaces_nothing(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)
    late = await ledger(runtime)
    assert late is not None

    await do(await new_attempt(runtime), there)
    async with runtime.session_factory() as db:
        replaced = await ledger_of_effects.record_result(db, late, {"number": 99})
        await db.commit()

    assert replaced is None
    assert await do(await new_attempt(runtime), there) == {"number": 1}


async def test_a_call_that_cannot_be_stopped_replaces_nothing_once_it_was_taken_over(
    runtime: Runtime, there: Elsewhere
) -> None:
    """What no ledger can prevent is told from what was agreed: see docs/adr/0016."""
    begun, ended, taken, answered = (asyncio.Event() for _ in range(4))

    async def ignore_everybody() -> None:
        begun.set()
        while not ended.is_set():
            with suppress(asyncio.CancelledError):
                await ended.wait()

    async def answer() -> None:
        taken.set()
        await answered.wait()

    there.before = ignore_everybody
    first = asyncio.create_task(do(await new_attempt(runtime), there, timeout=elsewhere.BRIEF))
    await begun.wait()
    there.before = answer
    second = asyncio.create_task(do(await new_attempt(runtime), there))
    await taken.wait()
    ended.set()
    late = (await asyncio.gather(first, return_exceptions=True))[0]
    answered.set()

    assert isinstance(late, EffectUnsettledError)
    assert await second == {"number": 2}
    assert await do(await new_attempt(runtime), there) == {"number": 2}


async def test_a_result_is_recorded_when_the_database_is_back(
    runtime: Runtime, there: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = await new_attempt(runtime)
    record = ledger_of_effects.record_result
    away = [ConnectionResetError("away"), ConnectionResetError("still away")]

    async def sometimes(*arguments: Any) -> Any:
        if away:
            raise away.pop()
        return await record(*arguments)

    monkeypatch.setattr(ledger_of_effects, "record_result", sometimes)

    assert await do(ctx, there) == {"number": 1}
    assert await _state(runtime) is EffectState.DONE
