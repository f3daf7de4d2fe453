from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from tests.core import lab
from ticketgen.domain import task_runs, workers
from ticketgen.domain.run_steps import RunStep
from ticketgen.domain.task_runs import NewRun, RunState, TaskRun
from ticketgen.embedded import EmbeddedServers
from ticketgen.errors import ConfigurationError
from ticketgen.queue import Delivery
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin
from ticketgen.worker import build_worker_settings

pytestmark = pytest.mark.services

_SLOW_PLUGIN = """
import asyncio
from pathlib import Path

from ticketgen import Caller, Exclusivity, NoRequest, Plugin, Subject, Task, hookimpl


async def prepare(start, request):
    return request


async def handler(ctx, payload):
    async def work():
        return ctx.run.attempt

    attempts = [await ctx.step(str(n), work) for n in range(4)]
    while not Path(__file__).with_name("go_on").exists():
        await asyncio.sleep(0.02)
    return {"attempts": attempts + [await ctx.step(str(n), work) for n in range(4, 8)]}


@hookimpl
def ticketgen_plugin():
    task = Task(
        name="slow",
        summary="Takes four steps, and four more when it may.",
        request=NoRequest,
        payload=NoRequest,
        prepare=prepare,
        handler=handler,
        job_name="slow_job",
        subject=Subject.NONE,
        exclusivity=Exclusivity.TYPE,
        startable_by=Caller.ADMIN,
    )
    return Plugin(name="slow", summary="Is slow.", tasks=(task,))
"""

_LIVING = (
    select(func.count())
    .select_from(workers.WorkerProcess)
    .where(workers.WorkerProcess.stopped_at.is_(None))
)

_OURS = ("-m", "ticketgen.cli.worker")
_PLAIN = ("-m", "arq", "ticketgen.worker.WorkerSettings")


class WorkerProcess:
    """A worker process of the test's own and what it has logged."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, *, within: float = lab.PATIENCE) -> int:
        async with asyncio.timeout(within):
            return await self._process.wait()

    async def until(
        self, reached: Callable[[], Awaitable[bool]], *, within: float = lab.PATIENCE
    ) -> None:
        """Wait for something this worker is to bring about."""
        deadline = asyncio.get_running_loop().time() + within
        while not await reached():
            assert self._process.returncode is None, f"the worker ended:\n{self.log}"
            assert asyncio.get_running_loop().time() < deadline, f"too late:\n{self.log}"
            await asyncio.sleep(0.05)

    @property
    def log(self) -> str:
        return self._log.read_text()


@asynccontextmanager
async def _worker(
    settings: Settings, *arguments: str, path: str = "", **environment: str
) -> AsyncIterator[WorkerProcess]:
    log = settings.data_dir / f"worker-{len(list(settings.data_dir.glob('worker-*')))}.log"
    own = {
        "TICKETGEN_DATABASE_URL": str(settings.database_url),
        "TICKETGEN_REDIS_URL": str(settings.redis_url),
        "TICKETGEN_DATA_DIR": str(settings.data_dir),
        "TICKETGEN_HEARTBEAT_INTERVAL": "0.5",
        "TICKETGEN_HEARTBEAT_EXPIRY": "60",
        "TICKETGEN_LEASE": "600",
        "TICKETGEN_LEASE_RENEWAL": "0.5",
        "TICKETGEN_LEASE_PATIENCE": "300",
        "TICKETGEN_RECONCILE_INTERVAL": "0.2",
        "TICKETGEN_SHUTDOWN_GRACE": "0.2",
        "TICKETGEN_ALLOWED_PLUGINS": "cleanup,slow",
        "PYTHONPATH": path,
        **environment,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env={**os.environ, **own},  # noqa: TID251 - a child needs PATH, HOME and the like
            stdout=output,
            stderr=output,
        )
    try:
        yield WorkerProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def cleanup(settings: Settings) -> AsyncIterator[Runtime]:
    """A host with the installed clean-up alone."""
    narrow = settings.model_copy(update={"allowed_plugins": ("cleanup",)})
    async with open_runtime(narrow) as runtime:
        yield runtime


@pytest.fixture
async def slow(
    settings: Settings, install_plugin: Callable[..., InstalledPlugin]
) -> AsyncIterator[tuple[Runtime, str]]:
    """A host with a slow plugin, and the directory it is installed in."""
    installed = install_plugin("slow", _SLOW_PLUGIN)
    spec = find_spec(installed.module)
    assert spec is not None
    assert spec.origin is not None
    narrow = settings.model_copy(update={"allowed_plugins": ("slow",)})
    async with open_runtime(narrow) as runtime:
        yield runtime, str(Path(spec.origin).parent)


def _go_on(path: str) -> None:
    """Let the slow plugin take its last steps."""
    (Path(path) / "go_on").touch()


def _in_state(runtime: Runtime, run_id: UUID, state: RunState) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return (await lab.run_of(runtime, run_id)).state is state

    return reached


def _steps_done(runtime: Runtime, run_id: UUID, number: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        async with runtime.session_factory() as db:
            done = await db.scalar(
                select(func.count()).select_from(RunStep).where(RunStep.lineage_id == run_id)
            )
        return (done or 0) >= number

    return reached


async def test_plain_arq_in_burst_mode_completes_a_queued_run(
    settings: Settings, cleanup: Runtime
) -> None:
    run = await lab.start(cleanup, "cleanup.expired_tokens")

    async with _worker(settings, *_PLAIN, "--burst") as worker:
        code = await worker.ended()

    settled = await lab.run_of(cleanup, run.id)
    assert code == 0, worker.log
    assert settled.state is RunState.COMPLETED, worker.log
    assert settled.result_summary == {"deleted_tokens": 0, "deleted_secrets": 0}
    assert await cleanup.redis.zcard("arq:queue") == 0


async def test_our_worker_in_burst_mode_completes_a_queued_run_and_says_farewell(
    settings: Settings, cleanup: Runtime
) -> None:
    run = await lab.start(cleanup, "cleanup.audit_logs")

    async with _worker(settings, *_OURS, "--burst") as worker:
        code = await worker.ended()

    async with cleanup.session_factory() as db:
        left = await db.scalar(_LIVING)
    assert code == 0, worker.log
    assert (await lab.run_of(cleanup, run.id)).state is RunState.COMPLETED
    assert left == 0
    assert await cleanup.redis.get("worker:last_startup") is not None


async def test_our_worker_leaves_what_it_does_not_serve_in_the_queue(
    settings: Settings, cleanup: Runtime
) -> None:
    async with cleanup.session_factory() as db:
        foreign, _ = await task_runs.insert_run(
            db, NewRun(task_type="stranger", payload={}, exclusivity_key="stranger")
        )
        await db.commit()
    delivery = Delivery(run_id=foreign.id, task_type="stranger", delivery=1, job_name="stranger")
    await cleanup.queue.push(delivery)
    run = await lab.start(cleanup, "cleanup.expired_tokens")

    async with _worker(settings, *_OURS) as worker:
        await worker.until(_in_state(cleanup, run.id, RunState.COMPLETED))
        await asyncio.sleep(0.5)
        worker.send(signal.SIGTERM)
        await worker.ended()

    left = await lab.run_of(cleanup, foreign.id)
    assert (left.state, left.attempt) == (RunState.QUEUED, 0)
    assert await cleanup.redis.zrange("arq:queue", 0, -1) == [delivery.job_id.encode()]
    assert await cleanup.redis.exists(f"arq:job:{delivery.job_id}") == 1


async def test_the_run_of_a_killed_worker_goes_on_in_another_where_it_was(
    settings: Settings, slow: tuple[Runtime, str]
) -> None:
    runtime, path = slow
    run = await lab.start(runtime, "slow")

    async with _worker(settings, *_OURS, path=path) as first:
        await first.until(_steps_done(runtime, run.id, 4))
        first.send(signal.SIGKILL)
        await first.ended()
    left = (await lab.run_of(runtime, run.id)).state
    await lab.expire_lease(runtime, run.id)
    _go_on(path)
    async with _worker(settings, *_OURS, path=path) as second:
        await second.until(_in_state(runtime, run.id, RunState.COMPLETED))

    settled = await lab.run_of(runtime, run.id)
    assert left is RunState.RUNNING
    assert (settled.attempt, settled.tries, settled.rescues) == (2, 1, 1)
    assert settled.result_summary is not None
    assert settled.result_summary["attempts"] == [1, 1, 1, 1, 2, 2, 2, 2]
    async with runtime.session_factory() as db:
        assert await db.scalar(select(func.count()).select_from(RunStep)) == 8
        assert await db.scalar(select(func.count()).select_from(TaskRun)) == 1


async def test_a_worker_told_to_stop_hands_its_run_back_and_ends(
    settings: Settings, slow: tuple[Runtime, str]
) -> None:
    runtime, path = slow
    run = await lab.start(runtime, "slow")

    async with _worker(settings, *_OURS, path=path) as worker:
        await worker.until(_steps_done(runtime, run.id, 4))
        worker.send(signal.SIGTERM)
        await worker.ended()

    back = await lab.run_of(runtime, run.id)
    async with runtime.session_factory() as db:
        left = await db.scalar(_LIVING)
    assert (back.state, back.attempt, back.tries, back.rescues) == (RunState.QUEUED, 1, 0, 0)
    assert await runtime.redis.zscore("arq:queue", f"slow:{run.id}:{back.delivery}") is not None
    assert await runtime.redis.keys("arq:in-progress:*") == []
    assert left == 0


async def test_a_worker_told_to_stop_lets_a_run_end_within_the_grace(
    settings: Settings, slow: tuple[Runtime, str]
) -> None:
    runtime, path = slow
    run = await lab.start(runtime, "slow")

    async with _worker(settings, *_OURS, path=path, TICKETGEN_SHUTDOWN_GRACE="60") as worker:
        await worker.until(_steps_done(runtime, run.id, 4))
        worker.send(signal.SIGTERM)
        _go_on(path)
        await worker.ended()

    settled = await lab.run_of(runtime, run.id)
    assert (settled.state, settled.attempt) == (RunState.COMPLETED, 1)


async def test_on_the_wire_there_is_no_pickle(settings: Settings, cleanup: Runtime) -> None:
    await lab.start(cleanup, "cleanup.expired_tokens")

    values = [
        await cleanup.redis.get(key)
        for key in await cleanup.redis.keys("arq:*")
        if await cleanup.redis.type(key) == b"string"
    ]

    assert values
    assert all(value.startswith(b"{") and b"\x80" not in value for value in values)


def test_arq_finds_everything_in_the_class_s_own_dictionary(settings: Settings) -> None:
    own: dict[str, Any] = dict(vars(build_worker_settings(settings)))

    names = {function.name for function in own["functions"]}
    assert {"generate_tickets_job", "export_session_job", "validate_adf_job"} <= names
    assert {job.name for job in own["cron_jobs"]} == {
        "schedule.cleanup.expired_sessions",
        "schedule.cleanup.audit_logs",
        "schedule.cleanup.expired_tokens",
    }
    assert (own["keep_result"], own["max_jobs"]) == (0, 2)
    # A run may have to wait for one that waits for others, before its own time begins.
    assert all(f.timeout_s > 3 * settings.job_timeout.total_seconds() for f in own["functions"])


def test_a_worker_for_a_plugin_nobody_installed_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="No active plugin is called nobody"):
        build_worker_settings(settings, plugins=["nobody"])


async def test_a_worker_outlives_an_outage_of_redis_and_works_on(
    settings: Settings, cleanup: Runtime, servers: EmbeddedServers
) -> None:
    async with _worker(settings, *_OURS) as worker:
        first = await lab.start(cleanup, "cleanup.expired_tokens")
        await worker.until(_in_state(cleanup, first.id, RunState.COMPLETED))

        await asyncio.to_thread(servers.kill_redis)
        try:
            await asyncio.sleep(5)  # longer than arq itself would try
        finally:
            await asyncio.to_thread(servers.start_redis)
        second = await lab.start(cleanup, "cleanup.audit_logs")

        # `until` also asserts that the process has not ended.
        await worker.until(_in_state(cleanup, second.id, RunState.COMPLETED))
        assert "queue_unreachable" in worker.log
