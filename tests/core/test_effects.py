from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, intended, ledger, new_attempt
from ticketgen import Exclusivity, TaskContext, effects
from ticketgen.domain.effects import EffectState
from ticketgen.domain.sessions import WorkSession
from ticketgen.domain.task_runs import RunState
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

    results = list(await asyncio.gather(attempt(), attempt()))

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
    await intended(runtime, over_in=elsewhere.BRIEF)

    await do(await new_attempt(runtime), there)

    assert time.monotonic() - began >= elsewhere.BRIEF.total_seconds()
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
    await elsewhere.over(runtime)
    result = await do(await new_attempt(runtime), there)

    assert left_behind is EffectState.INTENDED
    assert (result, there.created, there.looked_up) == ({"number": 1}, ["one"], 1)


async def test_a_call_that_is_too_slow_is_stopped_and_counts_as_unknown(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.after = lambda: asyncio.sleep(1_000)

    with pytest.raises(EffectUnsettledError, match="in time"):
        await do(ctx, there, refused=(Exception,), timeout=elsewhere.BRIEF)
    result = await do(ctx, there)

    assert (result, there.created) == ({"number": 1}, ["one"])


async def test_a_call_that_ends_well_in_spite_of_being_stopped_is_recorded(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    async def deaf() -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            return

    there.after = deaf

    assert await do(ctx, there, timeout=elsewhere.BRIEF) == {"number": 1}
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
