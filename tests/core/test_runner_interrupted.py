from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.core import lab
from ticketgen import TaskContext
from ticketgen.domain.task_runs import RunState
from ticketgen.embedded import EmbeddedServers
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import registry_of, run_to_end

pytestmark = pytest.mark.services


def _waiting() -> tuple[asyncio.Event, lab.Handler]:
    """A handler that waits to be cancelled, and the event by which it says that it has begun."""
    begun = asyncio.Event()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        begun.set()
        await asyncio.sleep(1_000)
        return {}

    return begun, handler


async def _cancel_when(event: asyncio.Event, work: asyncio.Task[None]) -> None:
    async with asyncio.timeout(lab.PATIENCE):
        await event.wait()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert work.cancelled()


async def _ended(work: asyncio.Task[None]) -> None:
    async with asyncio.timeout(lab.PATIENCE):
        await work


async def test_cancelling_the_runner_hands_the_run_back_without_spending_a_try(
    settings: Settings,
) -> None:
    begun, handler = _waiting()
    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(lab.runner_of(runtime).run(run.id))

        await _cancel_when(begun, work)

        back = await lab.run_of(runtime, run.id)
        assert (back.state, back.attempt, back.tries, back.rescues) == (RunState.QUEUED, 1, 0, 0)
        assert back.delivery == 2
        assert await runtime.redis.zscore("arq:queue", f"lab:{run.id}:2") is not None
        assert await lab.failures_of(runtime, run.id) == []


async def test_awaiting_something_cancelled_is_a_failure_and_no_shutdown(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        other = asyncio.create_task(asyncio.sleep(1_000))
        other.cancel()
        await other
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.error is not None
        assert (settled.state, settled.error["code"]) == (RunState.FAILED, "unexpected")


async def test_a_run_of_a_task_this_worker_does_not_know_stays_queued(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        async with open_runtime(settings, registry=registry_of(settings)) as stranger:
            await lab.runner_of(stranger).run(run.id)

        left = await lab.run_of(runtime, run.id)
        assert (left.state, left.attempt, left.tries) == (RunState.QUEUED, 0, 0)


async def test_a_duplicate_delivery_does_nothing(settings: Settings) -> None:
    calls: list[int] = []

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        calls.append(ctx.run.attempt)
        await asyncio.sleep(0.1)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await asyncio.gather(*(lab.runner_of(runtime).run(run.id) for _ in range(5)))
        await lab.runner_of(runtime).run(run.id)

        assert calls == [1]


async def test_a_run_that_ends_while_the_database_is_away_settles_when_it_is_back(
    settings: Settings, servers: EmbeddedServers
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        begun.set()
        await go_on.wait()
        return {"done": True}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await begun.wait()
        await asyncio.to_thread(servers.stop_postgres)
        try:
            go_on.set()
            await asyncio.sleep(0.5)
            unsettled = not work.done()
        finally:
            await asyncio.to_thread(servers.start_postgres)

        await _ended(work)

        assert unsettled
        settled = await lab.run_of(runtime, run.id)
        assert (settled.state, settled.result_summary) == (RunState.COMPLETED, {"done": True})


async def test_a_database_that_goes_away_in_the_handler_is_a_temporary_failure(
    settings: Settings, servers: EmbeddedServers
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        begun.set()
        await go_on.wait()
        async with ctx.transaction():
            return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await begun.wait()
        await asyncio.to_thread(servers.stop_postgres)
        try:
            go_on.set()
            await asyncio.sleep(0.3)
        finally:
            await asyncio.to_thread(servers.start_postgres)

        await _ended(work)

        left = await lab.run_of(runtime, run.id)
        assert left.error is not None
        assert (left.state, left.error["code"]) == (RunState.QUEUED, "database_unavailable")
