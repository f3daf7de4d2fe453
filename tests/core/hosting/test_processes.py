"""A plugin that does not start: the host is up, its routes say why, its runs wait for a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from tests.core import arq_lab, lab, scheduling
from tests.core.api.expecting import refused
from tests.core.hosting.sources import living_source, module_of
from ticketgen import BlockingContext, Host, Migrations, Plugin, TaskContext, in_thread
from ticketgen.arq_worker import Worker
from ticketgen.conformance import Problem
from ticketgen.domain import workers
from ticketgen.domain.task_runs import RunState
from ticketgen.opening import open_plugins
from ticketgen.ports import Role
from ticketgen.queue import connect_arq
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api, InstalledPlugin, registry_of, run_to_end
from ticketgen.worker import build_worker_settings

pytestmark = pytest.mark.services

Install = Callable[..., InstalledPlugin]

_ROUTER = """
from fastapi import APIRouter

router = APIRouter()


@router.get("/labels")
async def labels() -> list[str]:
    return ["harbour"]
"""

_REVISION = """
revision = "0001"
down_revision = None


def upgrade():
    pass


def downgrade():
    pass
"""

_OUT = Problem(phase="start", message="it hung", remedy="Mend it.")

_UNLESS_BROKEN = "if BROKEN: raise ConnectionError('the label service does not answer')"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(
        update={
            "allowed_plugins": ("acme", "cleanup", "lab"),
            "heartbeat_interval": timedelta(seconds=0.2),
            "heartbeat_expiry": timedelta(seconds=60),
            "reconcile_interval": timedelta(seconds=0.1),
            "park_after": timedelta(seconds=1),
        }
    )


@pytest.fixture
def acme(install_plugin: Install) -> InstalledPlugin:
    """A plugin that starts, unless its module's `BROKEN` says otherwise."""
    source = living_source("acme", enter=_UNLESS_BROKEN, state="the state of acme")
    return install_plugin("acme", source)


@pytest.fixture
def broken(install_plugin: Install) -> InstalledPlugin:
    """A plugin with a route that never starts."""
    source = living_source("acme", enter="raise ConnectionError('no label service')")
    routed = source.replace("lifespan=lifespan", "lifespan=lifespan, router=router")
    return install_plugin("acme", routed.replace("LOG = []", f"LOG = []\n{_ROUTER}"))


def _worker(settings: Settings) -> Worker:
    """A worker as `ticketgen-worker` builds it, in this process."""
    arguments = vars(build_worker_settings(settings))
    given = {name: value for name, value in arguments.items() if not name.startswith("__")}
    functions = given.pop("functions")
    return Worker(functions, handle_signals=False, redis_pool=connect_arq(settings), **given)


async def test_an_api_whose_plugin_does_not_start_is_up_and_says_why(
    broken: InstalledPlugin, api: Api
) -> None:
    answer = await api.client.get("/api/acme/labels")
    start = await api.client.post("/api/acme/start", headers=api.as_admin)
    plugins = (await api.client.get("/api/plugins")).json()

    problem = refused(answer, 503, "plugin_unavailable")
    assert problem["message"] == "The plugin 'acme' is out of use: start: ConnectionError"
    refused(start, 503, "plugin_unavailable")
    states = {plugin["name"]: plugin["status"] for plugin in plugins}
    assert (states["acme"], states["cleanup"]) == ("failed", "active")
    assert api.runtime.role is Role.API


async def test_runs_of_a_plugin_that_does_not_start_wait_with_the_reason_for_a_worker_where_it_does(
    acme: InstalledPlugin, settings: Settings
) -> None:
    reason = "start: ConnectionError"
    async with open_runtime(settings) as runtime:
        run = await lab.start(runtime, "acme")

        async def is_in(state: RunState) -> bool:
            return (await lab.run_of(runtime, run.id)).state is state

        module_of(acme).BROKEN = True
        async with arq_lab.working(_worker(settings)):
            await lab.until(partial(is_in, RunState.PARKED), within=lab.PATIENCE)
            waiting, attempts = (
                await lab.run_of(runtime, run.id),
                await lab.attempts_of(runtime, run.id),
            )
            async with runtime.session_factory() as db:
                [worker] = await workers.list_workers(db)
            module_of(acme).BROKEN = False
            async with arq_lab.working(_worker(settings)):
                await lab.until(partial(is_in, RunState.COMPLETED), within=lab.PATIENCE)

        settled = await lab.run_of(runtime, run.id)
        assert attempts == []
        assert waiting.parked is not None
        assert waiting.parked["code"] == "plugin_failed"
        assert reason in waiting.parked["message"]
        assert worker.failed == {"acme": reason}
        assert sorted(worker.plugins) == ["cleanup"]
        assert "acme" not in worker.task_types
        assert settled.result_summary == {"state": "the state of acme"}
        assert (settled.attempt, settled.tries) == (1, 1)


async def test_a_worker_says_with_its_next_heartbeat_what_it_offers_no_more(
    acme: InstalledPlugin, settings: Settings
) -> None:
    worker = _worker(settings)
    async with open_runtime(settings) as runtime, arq_lab.working(worker):

        async def offers() -> set[str]:
            async with runtime.session_factory() as db:
                return {name for row in await workers.list_workers(db) for name in row.plugins}

        async def offered() -> bool:
            return "runtime" in worker.ctx and await offers() == {"acme", "cleanup"}

        async def withdrawn() -> bool:
            return await offers() == {"cleanup"}

        await lab.until(offered, within=lab.PATIENCE)
        worker.ctx["runtime"].registry.standing.put_out("acme", _OUT)
        await lab.until(withdrawn, within=lab.PATIENCE)
        run = await lab.start(runtime, "acme")
        other = await lab.start(runtime, "cleanup.expired_tokens")

        async def done() -> bool:
            return (await lab.run_of(runtime, other.id)).state is RunState.COMPLETED

        await lab.until(done, within=lab.PATIENCE)
        assert await lab.attempts_of(runtime, run.id) == []


async def test_a_run_claimed_where_its_plugin_is_out_of_use_is_left_without_a_try(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        now = 100.0
        runtime.registry.standing.clock = lambda: now
        runtime.registry.standing.put_out("lab", _OUT, lasting=timedelta(minutes=5))

        left = await lab.run_alone(runtime, run.id)
        attempts = await lab.attempts_of(runtime, run.id)
        now += 300
        settled = await lab.run_alone(runtime, run.id)

        assert (left.state, left.attempt, left.tries, attempts) == (RunState.QUEUED, 0, 0, [])
        assert (settled.state, settled.attempt, settled.tries) == (RunState.COMPLETED, 1, 1)


async def test_what_this_process_knows_of_a_plugin_is_the_reason_where_no_worker_knows_more(
    settings: Settings,
) -> None:
    async with lab.open_lab(settings) as runtime:
        run = await lab.start(runtime)
        await lab.change_run(runtime, run.id, available_at=run.available_at - timedelta(minutes=2))
        await lab.say_alive(runtime, "other", plugins={"other": "1"})
        runtime.registry.standing.put_out("lab", _OUT)

        await lab.reconciler_of(runtime).reconcile()

        parked = (await lab.run_of(runtime, run.id)).parked
        assert parked is not None
        assert "start: it hung" in parked["message"]


async def test_the_schedules_of_a_plugin_out_of_use_do_not_fire_here_and_do_elsewhere(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduling.clock_at(monkeypatch, scheduling.MONDAY)
    weekly = [scheduling.WEEKLY]
    async with (
        lab.open_lab(settings, schedules=weekly) as here,
        lab.open_lab(settings, schedules=weekly) as elsewhere,
    ):
        await scheduling.known_since(here, scheduling.hour(0))
        here.registry.standing.put_out("lab", _OUT)

        fired = [
            await here.scheduler().fire_due(),
            await here.scheduler().fire_due(only="lab.weekly"),
            await elsewhere.scheduler().fire_due(),
        ]

        assert [len(ids) for ids in fired] == [0, 0, 1]


async def test_what_a_lifespan_yields_reaches_handlers_also_those_in_threads(
    settings: Settings,
) -> None:
    @asynccontextmanager
    async def lifespan(host: Host) -> AsyncIterator[dict[str, str]]:
        yield {"role": host.role}

    async def tell(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        return {"state": ctx.state}

    def tell_from_a_thread(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        return {"state": ctx.state}

    tasks = (
        lab.task("lab.loop", tell),
        lab.task("lab.thread", in_thread(tell_from_a_thread)),
    )
    plugin = Plugin(name="lab", summary="Has a state.", tasks=tasks, lifespan=lifespan)
    async with open_runtime(settings, registry=registry_of(settings, plugin)) as runtime:
        runs = [await lab.start(runtime, task.name) for task in tasks]

        settled = [await run_to_end(runtime, run.id) for run in runs]

        assert [run.result_summary for run in settled] == [{"state": {"role": "worker"}}] * 2


async def test_a_plugin_on_another_schema_is_out_of_use_until_the_upgrade(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "0001_labels.py").write_text(_REVISION)
    migrations = Migrations(versions=tmp_path, metadata=MetaData())
    opened: list[Role] = []

    @asynccontextmanager
    async def lifespan(host: Host) -> AsyncIterator[None]:
        opened.append(host.role)
        yield

    plugin = Plugin(name="lab", summary="Has a table.", migrations=migrations, lifespan=lifespan)
    registry = registry_of(settings, plugin)
    async with (
        open_runtime(settings, registry=registry) as runtime,
        open_plugins(runtime, Role.WORKER),
    ):
        problem = runtime.registry.problem_of("lab")

    assert problem is not None
    assert problem.phase == "schema"
    assert "ticketgen db upgrade" in problem.remedy
    assert opened == []


async def test_a_plugin_with_tables_stays_in_use_where_the_database_does_not_answer_yet(
    tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_labels.py").write_text(_REVISION)
    migrations = Migrations(versions=tmp_path, metadata=MetaData())
    away = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/nothing", redis_url="redis://127.0.0.1:1"
    )
    registry = registry_of(away, Plugin(name="lab", summary="Has a table.", migrations=migrations))
    async with (
        open_runtime(away, registry=registry) as runtime,
        open_plugins(runtime, Role.API),
    ):
        assert runtime.registry.problem_of("lab") is None
