"""Several effects by one call: each at most once, and what the call leaves open is found out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import pytest

from tests.core import elsewhere, lab
from tests.core.elsewhere import Elsewhere, do, new_attempt
from tests.core.test_effects_interrupted import (
    Watch,
    _watched_task,
    broken_off,
    killed,
    stopped,
)
from ticketgen import Exclusivity, TaskContext, effects
from ticketgen.effects import EffectUnsettledError
from ticketgen.effects_together import Together
from ticketgen.errors import RateLimitedError, TemporaryError
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings

pytestmark = pytest.mark.services

KEYS = ("a", "b", "c")
MOST_POINTS = 200


@pytest.fixture
async def runtime(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    monkeypatch.setattr(effects, "MARGIN", elsewhere.MARGIN)
    monkeypatch.setattr(effects, "_LOOK_EVERY", 0.05)
    async with lab.open_lab(settings, lab.task(exclusivity=Exclusivity.NONE)) as opened:
        yield opened


@pytest.fixture
def there() -> Elsewhere:
    return Elsewhere()


async def together(
    ctx: TaskContext,
    there: Elsewhere,
    keys: Sequence[str] = KEYS,
    *,
    refusing: Sequence[str] = (),
    silent: Sequence[str] = (),
    **options: Any,
) -> Together:
    async def create_all(wanted: Sequence[str]) -> Mapping[str, Any]:
        await there.before()
        answers: dict[str, Any] = {}
        for key in wanted:
            if key in refusing:
                answers[key] = RateLimitedError("Not this one.")
                continue
            there.created.append(key)
            if key not in silent:
                answers[key] = {"number": len(there.created)}
        await there.after()
        return answers

    return await ctx.effects(
        "create",
        keys,
        create_all,
        refused=(RateLimitedError,),
        **({"timeout": elsewhere.TIMEOUT} | options),
    )


async def test_one_call_does_them_all_and_a_later_one_none(
    runtime: Runtime, there: Elsewhere
) -> None:
    run = await lab.start(runtime)

    first = await together(await new_attempt(runtime, run), there)
    second = await together(await new_attempt(runtime, run), there)

    assert there.created == list(KEYS)
    assert first.done == second.done == {key: {"number": n} for n, key in enumerate(KEYS, 1)}


async def test_a_call_is_asked_only_for_what_nobody_has_begun(
    runtime: Runtime, there: Elsewhere
) -> None:
    await do(await new_attempt(runtime), there, "b")
    await elsewhere.intended(runtime, "c")

    came = await together(await new_attempt(runtime), there)

    assert there.created == ["b", "a"]
    assert set(came.done) == {"a", "b"}


async def test_a_key_that_was_refused_may_be_done_by_itself(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    came = await together(ctx, there, refusing=("b",))
    result = await do(ctx, there, "b")

    assert (set(came.done), set(came.refused)) == ({"a", "c"}, {"b"})
    assert there.created == ["a", "c", "b"]
    assert result == {"number": 3}
    assert there.looked_up == 0


async def test_a_key_without_an_answer_is_looked_up(runtime: Runtime, there: Elsewhere) -> None:
    ctx = await new_attempt(runtime)

    came = await together(ctx, there, silent=("b",))
    await elsewhere.over(runtime, "b")
    result = await do(ctx, there, "b")

    assert set(came.done) == {"a", "c"}
    assert not came.refused
    assert (there.created, result, there.looked_up) == (list(KEYS), {"number": 2}, 1)


async def test_a_call_that_was_refused_as_a_whole_leaves_nothing(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)
    there.before = elsewhere.raising(RateLimitedError("Wait."))

    with pytest.raises(RateLimitedError):
        await together(ctx, there)

    assert [await elsewhere.ledger(runtime, key) for key in KEYS] == [None] * 3


@pytest.mark.parametrize("error", [ValueError("?"), ConnectionResetError()])
async def test_after_any_other_error_each_is_looked_up(
    runtime: Runtime, there: Elsewhere, error: Exception
) -> None:
    ctx = await new_attempt(runtime)
    there.after = elsewhere.raising(error)

    with pytest.raises(type(error)):
        await together(ctx, there)

    there.after = elsewhere.pause
    for key in KEYS:
        await elsewhere.over(runtime, key)
        await do(ctx, there, key)
    assert there.created == list(KEYS)
    assert there.looked_up == 3


async def test_a_call_that_is_too_late_is_stopped(runtime: Runtime, there: Elsewhere) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    there.after = hang

    with pytest.raises(EffectUnsettledError):
        await together(await new_attempt(runtime), there, timeout=elsewhere.BRIEF)

    assert there.created == list(KEYS)


async def test_what_the_ledger_cannot_hold_is_refused_before_the_call(
    runtime: Runtime, there: Elsewhere
) -> None:
    ctx = await new_attempt(runtime)

    for keys in (("a", ""), ("a", "a"), ("a", "x" * 301)):
        with pytest.raises(ValueError, match="key"):
            await together(ctx, there, keys)

    assert there.created == []
    assert await elsewhere.ledger(runtime, "a") is None


async def test_inside_a_transaction_it_is_refused(runtime: Runtime, there: Elsewhere) -> None:
    ctx = await new_attempt(runtime)

    async with ctx.transaction():
        with pytest.raises(RuntimeError, match="transaction is open"):
            await together(ctx, there)

    assert there.created == []


@pytest.mark.parametrize("strike", [killed, stopped])
async def test_broken_off_at_any_wait_each_is_done_once(
    runtime: Runtime, strike: Callable[[Watch], None]
) -> None:
    asyncio.get_running_loop().set_task_factory(_watched_task)  # type: ignore[arg-type]
    there = Elsewhere()

    async def break_off(point: int) -> bool:
        keys = [f"{strike.__name__}-{point}-{key}" for key in KEYS]
        ctx = await new_attempt(runtime)
        watch = Watch(at=point, strike=strike)

        async def attempt() -> None:
            try:
                await together(ctx, there, keys)
            except (TemporaryError, asyncio.CancelledError):
                return

        await broken_off(attempt(), watch)
        later = await new_attempt(runtime)
        for key in keys:
            await elsewhere.over(runtime, key)
            await do(later, there, key)
            assert there.created.count(key) == 1, (point, key)
        return watch.has_struck

    struck = 0
    for point in range(1, MOST_POINTS):
        if not await break_off(point):
            break
        struck += 1
    assert 10 < struck < MOST_POINTS - 1
