from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.core import lab
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import InvalidInputError
from ticketgen.outcomes import Cancelled, Completed, Failed, Outcome
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def _unannounced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.maintenance._UNANNOUNCED", timedelta(0))


async def _types(runtime: Runtime, run: TaskRun) -> list[str]:
    return [m.type for m in await lab.messages_of(runtime, f"progress:{run.id}:lab")]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Completed(summary={}), "completed"),
        (Failed(error=InvalidInputError("Wrong.")), "error"),
        (Cancelled(), "cancelled"),
    ],
)
async def test_the_ending_of_a_worker_that_died_before_it_could_say_so_is_published(
    settings: Settings, outcome: Outcome, word: str
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        claimed = await lab.claim(runtime, run.id)
        assert claimed is not None
        await runtime.settler.store(claimed, outcome)
        before = await _types(runtime, run)

        await lab.reconciler_of(runtime).reconcile()
        await lab.reconciler_of(runtime).reconcile()

        assert before == []
        assert await _types(runtime, run) == [word]
        assert (await lab.run_of(runtime, run.id)).announced_at is not None


async def test_an_ending_is_not_published_again_by_those_who_do_not_know_that_it_was(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await run_to_end(runtime, run.id)
        noted = (await lab.run_of(runtime, run.id)).announced_at
        await lab.change_run(runtime, run.id, announced_at=None)

        await asyncio.gather(*(lab.reconciler_of(runtime).reconcile() for _ in range(4)))
        await lab.reconciler_of(runtime).reconcile()

        assert noted is not None
        assert await _types(runtime, run) == ["completed"]
        assert (await lab.run_of(runtime, run.id)).announced_at is not None


async def test_an_ending_that_cannot_be_told_keeps_no_other_and_no_delivery_from_the_queue(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.maintenance._OVERDUE", timedelta(0))
    tasks = [lab.task("lab.a"), lab.task("lab.b"), lab.task("lab.c")]
    async with lab.open_lab(settings, *tasks) as runtime:
        bad, good = await lab.start(runtime, "lab.a"), await lab.start(runtime, "lab.b")
        for run in (bad, good):
            await run_to_end(runtime, run.id)
            await lab.change_run(runtime, run.id, announced_at=None)
        unreadable = {"error_category": "a word of another version"}
        await lab.change_run(runtime, bad.id, state=RunState.FAILED, error=unreadable)
        waiting = await lab.start(runtime, "lab.c")
        await runtime.redis.flushall()

        await lab.reconciler_of(runtime).reconcile()

        assert (await lab.run_of(runtime, bad.id)).announced_at is None
        assert (await lab.run_of(runtime, good.id)).announced_at is not None
        assert await lab.queued_jobs(runtime) == [f"lab.c:{waiting.id}:2"]


async def test_what_is_not_settled_is_never_announced(settings: Settings) -> None:
    async with lab.open_lab(settings, lab.task("lab.a"), lab.task("lab.b")) as runtime:
        await lab.start(runtime, "lab.a")
        running = await lab.start(runtime, "lab.b")
        await lab.claim(runtime, running.id)

        await lab.reconciler_of(runtime).reconcile()

        assert [key async for key in runtime.redis.scan_iter("progress:*")] == []


async def test_an_ending_with_redis_away_is_published_when_redis_is_back(
    settings: Settings, servers: EmbeddedServers
) -> None:
    gate = lab.Gate()
    async with lab.open_lab(settings, lab.task(handler=gate.handler)) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(lab.runner_of(runtime).run(run.id))
        await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)
        await asyncio.to_thread(servers.kill_redis)
        try:
            gate.go_on.set()
            await asyncio.wait_for(work, lab.PATIENCE)
            settled = await lab.run_of(runtime, run.id)
        finally:
            await asyncio.to_thread(servers.start_redis)

        await lab.reconciler_of(runtime).reconcile()

        assert (settled.state, settled.announced_at) == (RunState.COMPLETED, None)
        assert await _types(runtime, run) == ["completed"]
        assert (await lab.run_of(runtime, run.id)).announced_at is not None


async def test_the_cancel_of_a_waiting_run_with_redis_away_is_announced_later(
    settings: Settings, servers: EmbeddedServers
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await asyncio.to_thread(servers.kill_redis)
        try:
            async with runtime.unit_of_work() as work:
                await work.cancel(run.id)
        finally:
            await asyncio.to_thread(servers.start_redis)

        await lab.reconciler_of(runtime).reconcile()

        assert await _types(runtime, run) == ["cancelled"]
