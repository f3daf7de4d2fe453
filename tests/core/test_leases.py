from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from tests.core import lab
from tests.core.keeping import brisk_settings, keeper
from ticketgen import Exclusivity, TaskContext
from ticketgen.domain import workers
from ticketgen.domain.run_attempts import AttemptOutcome, RunAttempt
from ticketgen.domain.task_runs import RunState
from ticketgen.domain.workers import WorkerProcess
from ticketgen.embedded import EmbeddedServers
from ticketgen.leases import LeaseKeeper
from ticketgen.pulse import Pulse
from ticketgen.runner import Runner
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


@pytest.fixture
def brisk(settings: Settings) -> Settings:
    return brisk_settings(settings)


@asynccontextmanager
async def _worker(runtime: Runtime, exits: list[int] | None = None) -> AsyncIterator[Runner]:
    """A worker process in small."""
    runner = Runner(runtime, worker_id=uuid7(), worker="lab:1")
    async with keeper(runtime, runner, [] if exits is None else exits).running():
        yield runner


async def _expiry(runtime: Runtime, run_id: UUID) -> datetime:
    [attempt] = await lab.attempts_of(runtime, run_id)
    return attempt.lease_expires_at


async def _renewed(runtime: Runtime, run_id: UUID) -> None:
    """Wait until the lease lasts longer than it does now."""
    first = await _expiry(runtime, run_id)

    async def longer() -> bool:
        return await _expiry(runtime, run_id) > first

    await lab.until(longer)


async def _renewed_and_reconciled_elsewhere(
    runtime: Runtime, run_id: UUID, logs: list[MutableMapping[str, Any]]
) -> None:
    async def named() -> bool:
        return any("in block" in entry.get("stack", "") for entry in logs)

    async with open_runtime(runtime.settings, registry=runtime.registry) as elsewhere:
        await lab.until(named)
        await _renewed(elsewhere, run_id)
        await lab.reconciler_of(elsewhere).reconcile()


async def test_a_lease_is_renewed_beside_the_handler(brisk: Settings) -> None:
    gate = lab.Gate()
    async with lab.open_lab(brisk, lab.task(handler=gate.handler)) as runtime:
        run = await lab.start(runtime)
        async with _worker(runtime) as runner:
            work = asyncio.create_task(runner.run(run.id))
            await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)

            await _renewed(runtime, run.id)
            await lab.reconciler_of(runtime).reconcile()
            gate.go_on.set()
            await work

        settled = await lab.run_of(runtime, run.id)
        assert (settled.state, settled.attempt, settled.rescues) == (RunState.COMPLETED, 1, 0)


async def test_a_handler_that_blocks_the_event_loop_keeps_its_lease_but_is_named(
    brisk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.leases._LAG_SECONDS", 0.5)
    logs: list[MutableMapping[str, Any]] = []

    async def block(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        elsewhere = _renewed_and_reconciled_elsewhere(runtime, ctx.run.id, logs)
        thread = threading.Thread(target=asyncio.run, args=(elsewhere,))
        thread.start()
        thread.join()  # the loop takes no turn until somebody else has reconciled
        return {}

    async with lab.open_lab(brisk, lab.task(handler=block)) as runtime:
        run = await lab.start(runtime)
        with structlog.testing.capture_logs() as captured:
            logs = captured
            async with _worker(runtime) as runner:
                await runner.run(run.id)

        settled = await lab.run_of(runtime, run.id)
        assert (settled.state, settled.attempt, settled.rescues) == (RunState.COMPLETED, 1, 0)
        [blocked] = [entry for entry in logs if "in block" in entry.get("stack", "")]
        assert blocked["event"] == "event_loop_blocked"
        assert blocked["lag"] >= 0.5


async def test_a_worker_whose_run_was_taken_away_stops_its_handler_and_writes_nothing_more(
    brisk: Settings,
) -> None:
    gate = lab.Gate()
    async with lab.open_lab(brisk, lab.task(handler=gate.handler)) as runtime:
        run = await lab.start(runtime)
        async with _worker(runtime) as runner:
            work = asyncio.create_task(runner.run(run.id))
            await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)

            async def taken_away() -> object:
                await lab.expire_lease(runtime, run.id)
                return await runtime.settler.rescue(run.id, 1)

            await lab.until(taken_away)
            await asyncio.wait_for(work, lab.PATIENCE)

        left = await lab.run_of(runtime, run.id)
        [attempt] = await lab.attempts_of(runtime, run.id)
        assert gate.stopped.is_set()
        assert (left.state, left.attempt, left.tries, left.rescues) == (RunState.QUEUED, 1, 0, 1)
        assert attempt.outcome is AttemptOutcome.LOST
        assert left.delivery == 2
        assert await lab.messages_of(runtime, f"progress:{run.id}:lab") == []


async def test_a_worker_that_cannot_renew_stops_its_handler_and_the_run_goes_on_elsewhere(
    brisk: Settings, servers: EmbeddedServers
) -> None:
    gate = lab.Gate()
    async with lab.open_lab(brisk, lab.task(handler=gate.handler)) as runtime:
        run = await lab.start(runtime)
        runner = Runner(runtime, worker_id=uuid7(), worker="lab:1")
        keeping = keeper(runtime, runner, [])
        async with keeping.running():
            work = asyncio.create_task(runner.run(run.id))
            await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)
            await asyncio.to_thread(servers.stop_postgres)
            keeping.settings = brisk.model_copy(update={"lease_patience": timedelta(seconds=0.5)})
            try:
                await asyncio.wait_for(gate.stopped.wait(), lab.PATIENCE)
                unsettled = not work.done()
            finally:
                await asyncio.to_thread(servers.start_postgres)
            await asyncio.wait_for(work, lab.PATIENCE)
        gate.go_on.set()

        elsewhere = await run_to_end(runtime, run.id)

        assert unsettled
        assert (elsewhere.state, elsewhere.attempt) == (RunState.COMPLETED, 2)
        assert (elsewhere.tries, elsewhere.rescues) == (1, 0)


async def test_a_process_blocked_beyond_a_time_limit_is_ended_and_only_the_culprit_fails(
    brisk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.leases._LAG_SECONDS", 0.3)
    monkeypatch.setattr("ticketgen.leases._OVERDUE_SECONDS", 0.2)
    monkeypatch.setattr("ticketgen.leases._SETTLE_SECONDS", lab.PATIENCE)
    gate, exits = lab.Gate(), list[int]()

    async def block(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        until = time.monotonic() + lab.PATIENCE
        while not exits and time.monotonic() < until:
            time.sleep(0.05)  # noqa: ASYNC251 - the block is what is tested
        return {}

    tasks = (
        lab.task("lab.calm", gate.handler),
        lab.task("lab.block", block, timeout=timedelta(seconds=0.3)),
    )
    async with lab.open_lab(brisk, *tasks) as runtime:
        calm, blocking = await lab.start(runtime, "lab.calm"), await lab.start(runtime, "lab.block")
        async with _worker(runtime, exits) as runner:
            works = [asyncio.create_task(runner.run(calm.id))]
            await asyncio.wait_for(gate.begun.wait(), lab.PATIENCE)
            works.append(asyncio.create_task(runner.run(blocking.id)))
            await asyncio.wait_for(works[1], lab.PATIENCE)
            gate.go_on.set()
            await asyncio.wait_for(works[0], lab.PATIENCE)

        failed = await lab.run_of(runtime, blocking.id)
        back = await lab.run_of(runtime, calm.id)
        [failure] = await lab.failures_of(runtime, blocking.id)
        [handed_back] = await lab.attempts_of(runtime, calm.id)
        assert exits == [75]
        assert (failed.state, failure.code) == (RunState.FAILED, "task_timeout")
        assert "blocked" in failure.user_message
        assert (back.state, back.tries, back.rescues) == (RunState.QUEUED, 0, 0)
        assert handed_back.outcome is AttemptOutcome.HANDED_BACK
        async with runtime.session_factory() as db:
            process = await db.get_one(WorkerProcess, runner.worker_id)
        assert process.stopped_at is not None


async def test_a_claim_that_is_just_being_committed_is_not_taken_for_a_lost_lease(
    brisk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, renew = AsyncSession.commit, LeaseKeeper._renew
    renewals: list[int] = []

    async def counted(self: LeaseKeeper, *arguments: Any) -> None:
        await renew(self, *arguments)
        renewals.append(len(self.hands))

    async def slowly(self: AsyncSession) -> None:
        if threading.current_thread() is threading.main_thread():
            await lab.until(lambda: _are(renewals.count(1) >= 2))
        await commit(self)

    monkeypatch.setattr(LeaseKeeper, "_renew", counted)
    async with lab.open_lab(brisk) as runtime:
        run = await lab.start(runtime)
        async with _worker(runtime) as runner:
            monkeypatch.setattr(AsyncSession, "commit", slowly)
            await runner.run(run.id)
            monkeypatch.setattr(AsyncSession, "commit", commit)

        [attempt] = await lab.attempts_of(runtime, run.id)
        assert attempt.outcome is AttemptOutcome.COMPLETED


async def test_a_worker_is_listed_as_alive_until_it_says_farewell(brisk: Settings) -> None:
    async with lab.open_lab(brisk) as runtime:
        async with _worker(runtime) as runner:
            async with runtime.session_factory() as db:
                [alive] = await workers.list_live_workers(db, expiry=brisk.heartbeat_expiry)
            expires_in = await runtime.redis.ttl("worker:last_heartbeat")

        async with runtime.session_factory() as db:
            after = await workers.list_live_workers(db, expiry=brisk.heartbeat_expiry)
        assert (alive.id, alive.task_types, alive.plugins) == (
            runner.worker_id,
            ["lab"],
            {"lab": "7"},
        )
        assert 0 < expires_in <= brisk.heartbeat_expiry.total_seconds()
        assert after == []


async def test_a_worker_does_not_begin_without_its_database(
    brisk: Settings, servers: EmbeddedServers
) -> None:
    async with lab.open_lab(brisk) as runtime:
        await asyncio.to_thread(servers.stop_postgres)
        try:
            with pytest.raises(OSError, match=r"connect|No such file"):
                async with _worker(runtime):
                    raise AssertionError("it has begun")
        finally:
            await asyncio.to_thread(servers.start_postgres)


async def test_a_keeper_that_stops_leaves_no_thread_behind(brisk: Settings) -> None:
    async with lab.open_lab(brisk) as runtime:
        async with _worker(runtime):
            during = [thread.name for thread in threading.enumerate()]
        after = [thread.name for thread in threading.enumerate()]

        assert "lease-keeper" in during
        assert "lease-keeper" not in after


async def test_a_lease_whose_row_is_locked_keeps_no_other_from_its_renewal(
    brisk: Settings,
) -> None:
    gate = lab.Gate()
    options: dict[str, Any] = {"exclusivity": Exclusivity.NONE}
    async with lab.open_lab(brisk, lab.task(handler=gate.handler, **options)) as runtime:
        locked, other = await lab.start(runtime), await lab.start(runtime)
        async with _worker(runtime) as runner:
            work = [asyncio.create_task(runner.run(run.id)) for run in (locked, other)]
            await lab.until(lambda: _are(len(gate.contexts) == 2))

            async with runtime.session_factory() as db:
                row = select(RunAttempt.run_id).where(RunAttempt.run_id == locked.id)
                await db.execute(row.with_for_update())
                await _renewed(runtime, other.id)
            gate.go_on.set()
            await asyncio.gather(*work)

        settled = await lab.run_of(runtime, other.id)
        assert (settled.state, settled.attempt) == (RunState.COMPLETED, 1)


async def test_a_claim_whose_commit_a_blocked_loop_has_not_heard_of_is_renewed(
    brisk: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncSession.commit
    heard = asyncio.Event()

    async def unheard(self: AsyncSession) -> None:
        await commit(self)
        if threading.current_thread() is threading.main_thread():
            await heard.wait()

    async def claimed() -> bool:
        return bool(await lab.attempts_of(runtime, run.id))

    async with lab.open_lab(brisk) as runtime:
        run = await lab.start(runtime)
        async with _worker(runtime) as runner:
            monkeypatch.setattr(AsyncSession, "commit", unheard)
            work = asyncio.create_task(runner.run(run.id))
            await lab.until(claimed)
            await _renewed(runtime, run.id)
            monkeypatch.undo()
            await lab.reconciler_of(runtime).reconcile()
            heard.set()
            await work

        settled = await lab.run_of(runtime, run.id)
        assert (settled.state, settled.attempt, settled.rescues) == (RunState.COMPLETED, 1, 0)


def test_an_answer_of_the_loop_in_the_middle_of_a_look_does_not_break_the_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []
    pulse = Pulse(SimpleNamespace(call_soon_threadsafe=asked.append))  # type: ignore[arg-type]
    pulse.lag()

    def monotonic() -> float:
        if asked:
            asked.pop()()
        return time.monotonic()

    monkeypatch.setattr("ticketgen.leases.time", SimpleNamespace(monotonic=monotonic))

    lag = pulse.lag()

    assert lag >= 0


async def _are(value: bool) -> bool:
    return value
