from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, intended, ledger, new_attempt
from ticketgen import Exclusivity, TaskContext, effects
from ticketgen.domain import effects as ledger_of_effects
from ticketgen.domain.effects import EffectState
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import RunState
from ticketgen.domain.transitions import StaleAttemptError
from ticketgen.effects import EffectUnsettledError
from ticketgen.errors import OutcomeUnknownError, RateLimitedError, TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

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


async def test_an_effect_is_done_once_over_attempts_and_over_runs(
    runtime: Runtime, there: Elsewhere
) -> None:
    run = await lab.start(runtime)

    results = [
        await do(await new_attempt(runtime, run), there),
        await do(await new_attempt(runtime, run), there),
        await do(await new_attempt(runtime), there),
    ]

    assert there.created == ["one"]
    assert results == [{"number": 1}] * 3
    assert there.looked_up == 0


async def test_the_result_is_what_json_gives_back_the_first_time_too(runtime: Runtime) -> None:
    ctx = await new_attempt(runtime)

    async def perform() -> Any:
        return (1, {2: "a\0b"})

    results = [await ctx.effect("create", "one", perform) for _ in range(2)]

    assert results == [[1, {"2": "a\ufffdb"}]] * 2


async def test_an_effect_may_have_no_result(runtime: Runtime) -> None:
    ctx = await new_attempt(runtime)
    calls: list[int] = []

    async def perform() -> None:
        calls.append(1)

    results = [await ctx.effect("tell", "one", perform) for _ in range(2)]

    assert (results, calls) == ([None, None], [1])


async def test_two_attempts_at_the_same_moment_create_one_thing(
    runtime: Runtime, there: Elsewhere
) -> None:
    contexts = [await new_attempt(runtime) for _ in range(4)]

    results = await asyncio.gather(*(do(ctx, there) for ctx in contexts))

    assert there.created == ["one"]
    assert results == [{"number": 1}] * 4


async def test_two_that_find_nothing_at_the_same_moment_do_not_both_create(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)
    together = asyncio.Barrier(2)

    async def find() -> None:
        if there.looked_up < 2:
            there.looked_up += 1
            await together.wait()

    async def attempt() -> Any:
        ctx = await new_attempt(runtime)
        return await ctx.effect(
            "create", "one", lambda: there.create("one"), look_up=find, timeout=elsewhere.TIMEOUT
        )

    results = await asyncio.gather(attempt(), attempt())

    assert there.created == ["one"]
    assert results == [{"number": 1}] * 2


async def test_what_a_dead_attempt_created_is_found_and_recorded(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)
    there.created.append("one")

    result = await do(await new_attempt(runtime), there)

    assert (result, there.created) == ({"number": 1}, ["one"])
    assert await _state(runtime) is EffectState.DONE


async def test_what_a_dead_attempt_did_not_create_is_created(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)

    result = await do(await new_attempt(runtime), there)

    assert (result, there.created, there.looked_up) == ({"number": 1}, ["one"], 1)
    assert await _state(runtime) is EffectState.DONE


async def test_nobody_looks_before_the_call_must_be_over(
    runtime: Runtime, there: Elsewhere
) -> None:
    began = time.monotonic()
    await intended(runtime, over=False)

    await do(await new_attempt(runtime), there)

    assert time.monotonic() - began >= elsewhere.TIMEOUT.total_seconds()
    assert there.looked_up == 1


async def test_a_look_that_cannot_tell_yet_is_taken_again_by_the_next_try(
    runtime: Runtime, there: Elsewhere
) -> None:
    await intended(runtime)
    there.created.append("one")
    ctx = await new_attempt(runtime)

    async def find() -> Any:
        raise TemporaryError("The index is not up to date.")

    with pytest.raises(TemporaryError, match="index"):
        await ctx.effect("create", "one", lambda: there.create("one"), look_up=find)

    assert await do(ctx, there) == {"number": 1}
    assert there.created == ["one"]


async def test_without_a_look_an_unknown_outcome_stops_the_run_and_says_what_to_do(
    settings: Settings, there: Elsewhere
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        await do(ctx, there, find=False)
        return {}

    async with lab.open_lab(
        settings, lab.task(handler=handler, exclusivity=Exclusivity.NONE)
    ) as runtime:
        await intended(runtime)
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.FAILED
        assert settled.error is not None
        assert (settled.error["code"], settled.tries) == ("outcome_unknown", 1)
        assert "lab create one" in settled.error["user_message"]
        advice = " ".join(settled.error["recovery_actions"])
        assert "ticketgen effects settle lab create one --done JSON" in advice
        assert there.created == []


async def test_a_look_that_gives_up_asks_a_person(runtime: Runtime, there: Elsewhere) -> None:
    await intended(runtime)
    ctx = await new_attempt(runtime)

    async def find() -> Any:
        raise OutcomeUnknownError("Two look alike.", recovery_actions=["Compare them."])

    with pytest.raises(OutcomeUnknownError, match="Two look alike") as caught:
        await ctx.effect("create", "one", lambda: there.create("one"), look_up=find)

    assert caught.value.recovery_actions[0] == "Compare them."
    assert "settle lab create one" in str(caught.value.recovery_actions)
    assert there.created == []


async def test_what_was_refused_is_tried_again_without_a_look(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.before = elsewhere.raising(RateLimitedError("Slowly."))

    with pytest.raises(RateLimitedError):
        await do(ctx, there, refused=(RateLimitedError,))
    left_behind = await ledger(runtime)
    there.before = elsewhere.pause
    await do(ctx, there, find=False)

    assert left_behind is None
    assert (there.created, there.looked_up) == (["one"], 0)


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError(), ValueError("?")])
async def test_after_any_other_error_the_outcome_is_looked_up(
    runtime: Runtime, there: Elsewhere, error: Exception
) -> None:
    ctx = await new_attempt(runtime)
    there.after = elsewhere.raising(error)

    with pytest.raises(type(error)):
        await do(ctx, there, refused=(RateLimitedError,))
    left_behind = await _state(runtime)
    result = await do(await new_attempt(runtime), there)

    assert left_behind is EffectState.INTENDED
    assert (result, there.created, there.looked_up) == ({"number": 1}, ["one"], 1)


async def test_a_call_that_is_too_slow_is_stopped_and_counts_as_unknown(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.after = lambda: asyncio.sleep(30)

    with pytest.raises(EffectUnsettledError, match="in time"):
        await do(ctx, there, refused=(Exception,))
    result = await do(ctx, there)

    assert (result, there.created) == ({"number": 1}, ["one"])


async def test_a_call_that_ends_well_in_spite_of_being_stopped_is_recorded(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    async def deaf() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return

    there.after = deaf

    assert await do(ctx, there) == {"number": 1}
    assert await _state(runtime) is EffectState.DONE


async def test_a_cancellation_waits_for_the_call_and_its_record(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    called, answered = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        called.set()
        await answered.wait()

    there.after = answer
    doing = asyncio.create_task(do(ctx, there, timeout=timedelta(seconds=20)))
    await called.wait()

    for _ in range(3):
        doing.cancel()
        await asyncio.sleep(0.01)
    still_at_it = not doing.done()
    answered.set()
    [ending] = await asyncio.gather(doing, return_exceptions=True)

    assert still_at_it
    assert isinstance(ending, asyncio.CancelledError)
    assert await _state(runtime) is EffectState.DONE


async def test_a_time_limit_around_the_effect_still_fires_as_one(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.after = lambda: asyncio.sleep(0.1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await do(ctx, there, timeout=timedelta(seconds=20))

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
    [ending] = await asyncio.gather(*doing, return_exceptions=True)

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
        await asyncio.sleep(30)

    doing = asyncio.create_task(
        ctx.effect("create", "one", lambda: there.create("one"), look_up=find)
    )
    await looking.wait()
    doing.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
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
    first = asyncio.create_task(do(ctx, there, timeout=timedelta(seconds=20)))
    await called.wait()
    second = asyncio.create_task(do(await new_attempt(runtime, run), there))
    await asyncio.sleep(0.05)
    waiting = not second.done()
    answered.set()

    assert await asyncio.gather(first, second) == [{"number": 1}] * 2
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
        time.sleep(2 * elsewhere.TIMEOUT.total_seconds())  # noqa: ASYNC251 - all of it stands

    monkeypatch.setattr(ctx, "transaction", standing_still)

    with pytest.raises(EffectUnsettledError, match="no time left"):
        await do(ctx, there)

    assert there.created == []
    assert await ledger(runtime) is None


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


async def test_a_session_that_is_deleted_during_the_call_takes_its_effect_along(
    runtime: Runtime, there: Elsewhere
) -> None:
    session_id = await lab.new_session(runtime)
    run = await lab.start(runtime, "lab.session", session_id=session_id)
    ctx = await new_attempt(runtime, run)

    async def delete_session() -> None:
        async with runtime.session_factory() as db:
            await db.execute(delete(WorkSession).where(WorkSession.id == session_id))
            await db.commit()

    there.after = delete_session

    with pytest.raises(EffectUnsettledError):
        await do(ctx, there)

    assert await ledger(runtime) is None
    assert there.created == ["one"]


async def test_a_call_that_wants_to_end_the_process_does_not(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.before = elsewhere.raising(SystemExit(3))

    with pytest.raises(RuntimeError, match="SystemExit"):
        await do(ctx, there)


async def test_an_effect_inside_a_transaction_is_refused_before_anything_is_written(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    with pytest.raises(RuntimeError, match="a transaction is open"):
        async with ctx.transaction():
            await do(ctx, there)

    assert there.created == []
    assert await ledger(runtime) is None


@pytest.mark.parametrize(
    ("operation", "key", "timeout"),
    [("", "k", 1), ("o" * 201, "k", 1), ("o", "k" * 301, 1), ("o", "a\0", 1), ("o", "k", 0)],
)
async def test_what_the_ledger_cannot_hold_is_refused_before_the_call(
    runtime: Runtime, there: Elsewhere, operation: str, key: str, timeout: int
) -> None:
    ctx = await new_attempt(runtime)

    with pytest.raises(ValueError, match="effect"):
        await ctx.effect(
            operation, key, lambda: there.create(key), timeout=timedelta(seconds=timeout)
        )

    assert there.created == []
