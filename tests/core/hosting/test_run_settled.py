"""Plugins hear of every ending, whoever settled the run, and hold nobody up by listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.core import lab
from tests.core.hosting.sources import HEARING, module_of
from tests.core.plugin_sources import plugin_source
from ticketgen.domain import task_runs
from ticketgen.domain.task_runs import RunState, TaskRun
from ticketgen.opening import open_plugins
from ticketgen.outcomes import Completed
from ticketgen.ports import Role
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin, progress_of, run_to_end

pytestmark = pytest.mark.services

Install = Callable[..., InstalledPlugin]


@pytest.fixture
def hearing(
    settings: Settings, install_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> tuple[Settings, InstalledPlugin]:
    """Settings of a host with one plugin, which has two tasks and listens to endings."""
    monkeypatch.setattr("ticketgen.maintenance._UNANNOUNCED", timedelta(0))
    source = plugin_source("acme", more=HEARING, tasks="(task('acme'), task('acme.follow_up'))")
    installed = install_plugin("acme", source)
    return settings.model_copy(update={"allowed_plugins": ("acme",)}), installed


@asynccontextmanager
async def _opened(
    hearing: tuple[Settings, InstalledPlugin],
) -> AsyncIterator[tuple[Runtime, Any]]:
    settings, installed = hearing
    async with open_runtime(settings) as runtime, open_plugins(runtime, Role.API):
        yield runtime, module_of(installed)


async def _announced(runtime: Runtime, run: TaskRun) -> None:
    async def noted() -> bool:
        return (await lab.run_of(runtime, run.id)).announced_at is not None

    await lab.until(noted, within=lab.PATIENCE)


async def _settled_unsaid(runtime: Runtime) -> TaskRun:
    """A run whose worker died after it had settled it."""
    run = await lab.start(runtime, "acme")
    claimed = await lab.claim(runtime, run.id)
    assert claimed is not None
    return await runtime.settler.store(claimed, Completed(summary={}))


async def test_the_hook_hears_of_a_run_that_a_worker_settled_once_and_with_its_role(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    settings, installed = hearing
    async with open_runtime(settings) as runtime, open_plugins(runtime, Role.WORKER):
        run = await lab.start(runtime, "acme")

        await run_to_end(runtime, run.id)
        await _announced(runtime, run)
        await lab.reconciler_of(runtime).reconcile()

        [told] = module_of(installed).CALLS
        assert told == (run.id, "acme", "completed", Role.WORKER)


async def test_the_hook_hears_of_a_run_that_was_cancelled_while_it_waited(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    async with _opened(hearing) as (runtime, acme):
        run = await lab.start(runtime, "acme")

        async with runtime.unit_of_work() as work:
            await work.cancel(run.id)
        await _announced(runtime, run)

        [told] = acme.CALLS
        assert told == (run.id, "acme", "cancelled", Role.API)


async def test_a_command_leaves_it_to_a_process_with_open_plugins_to_tell_of_a_run_it_cancelled(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    settings, installed = hearing
    async with open_runtime(settings) as command, _opened(hearing) as (runtime, _):
        run = await lab.start(command, "acme")
        async with command.unit_of_work() as work:
            await work.cancel(run.id)
        await command.announcer.finish()
        published = await progress_of(command, await lab.run_of(command, run.id))
        heard, unsaid = len(module_of(installed).CALLS), await lab.run_of(command, run.id)

        await lab.reconciler_of(runtime).reconcile()
        await _announced(runtime, run)

        assert [message.status for message in published] == ["cancelled"]
        assert (heard, unsaid.announced_at) == (0, None)
        [told] = module_of(installed).CALLS
        assert told == (run.id, "acme", "cancelled", Role.API)


async def test_the_hook_hears_from_one_reconciler_of_many_of_a_worker_that_died_before_it_told(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    async with _opened(hearing) as (runtime, acme), _opened(hearing) as (other, _):
        acme.GO_ON = asyncio.Event()
        run = await _settled_unsaid(runtime)

        for each in (runtime, other, runtime, other):
            await lab.reconciler_of(each).reconcile()
        acme.GO_ON.set()
        await _announced(runtime, run)
        await other.announcer.finish()

        assert [call[0] for call in acme.CALLS] == [run.id]


async def test_a_process_that_dies_while_it_tells_leaves_the_telling_to_another(
    hearing: tuple[Settings, InstalledPlugin], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.announcing._LAST_SECONDS", 0.01)
    async with _opened(hearing) as (runtime, acme):
        acme.GO_ON = asyncio.Event()
        run = await _settled_unsaid(runtime)
        await lab.reconciler_of(runtime).reconcile()

        async def told() -> bool:
            return bool(acme.CALLS)

        await lab.until(told, within=lab.PATIENCE)
        await runtime.announcer.finish()
        unsaid = (await lab.run_of(runtime, run.id)).announced_at
        acme.GO_ON.set()

        await lab.reconciler_of(runtime).reconcile()
        await _announced(runtime, run)

        assert unsaid is None
        assert [call[0] for call in acme.CALLS] == [run.id, run.id]


async def test_a_hook_that_takes_its_time_holds_up_no_worker(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    async with _opened(hearing) as (runtime, acme):
        acme.GO_ON = asyncio.Event()
        first = await lab.start(runtime, "acme")
        second = await lab.start(runtime, "acme.follow_up")

        settled = [await lab.run_alone(runtime, run.id) for run in (first, second)]
        heard = len(acme.CALLS)
        acme.GO_ON.set()
        await _announced(runtime, second)

        assert [(run.state, run.announced_at) for run in settled] == [
            (RunState.COMPLETED, None)
        ] * 2
        assert heard <= 1
        assert [call[0] for call in acme.CALLS] == [first.id, second.id]


async def test_a_hook_that_fails_is_not_asked_again_about_the_run_and_puts_its_plugin_out_of_use(
    hearing: tuple[Settings, InstalledPlugin],
) -> None:
    async with _opened(hearing) as (runtime, acme):
        acme.FAIL = True
        for _ in range(3):
            run = await lab.start(runtime, "acme")
            await run_to_end(runtime, run.id)
            await _announced(runtime, run)
        calls = len(acme.CALLS)
        with capture_logs() as logged:
            other = await _ended_without_its_plugin(runtime)

        problem = runtime.registry.problem_of("acme")
        assert calls == 3
        assert problem is not None
        assert problem.message == "RuntimeError: nobody listens"
        assert len(acme.CALLS) == 3
        assert other.announced_at is not None
        [untold] = [entry for entry in logged if entry["event"] == "ending_not_told"]
        assert (untold["plugin"], untold["run"]) == ("acme", str(other.id))


async def _ended_without_its_plugin(runtime: Runtime) -> TaskRun:
    async with runtime.session_factory() as db:
        new = task_runs.NewRun(task_type="acme", payload={}, exclusivity_key="another")
        run, _ = await task_runs.insert_run(db, new)
        await db.commit()
    async with runtime.unit_of_work() as work:
        await work.cancel(run.id)
    await _announced(runtime, run)
    return await lab.run_of(runtime, run.id)


async def test_a_hook_may_start_another_run(settings: Settings, install_plugin: Install) -> None:
    chain = """
    @hookimpl
    async def ticketgen_run_settled(host, run):
        if run.task_type == "acme":
            async with host.unit_of_work() as work:
                await work.start("acme.follow_up")
    """
    tasks = "(task('acme'), task('acme.follow_up'))"
    install_plugin("acme", plugin_source("acme", more=chain, tasks=tasks))
    alone = settings.model_copy(update={"allowed_plugins": ("acme",)})
    async with open_runtime(alone) as runtime, open_plugins(runtime, Role.API):
        run = await lab.start(runtime, "acme")

        await run_to_end(runtime, run.id)
        await _announced(runtime, run)

        async with runtime.session_factory() as db:
            [follow_up] = await task_runs.list_runs(db, states=[RunState.QUEUED])
        assert follow_up.task_type == "acme.follow_up"
