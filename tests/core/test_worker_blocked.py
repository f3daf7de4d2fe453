"""A real worker process whose event loop a handler blocks for longer than anybody waits."""

from __future__ import annotations

import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.core import lab
from tests.core.test_worker import _OURS, _in_state, _worker
from ticketgen.domain.task_runs import RunState
from ticketgen.runtime import open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import InstalledPlugin

pytestmark = pytest.mark.services

_BLOCKS = """
import time

from ticketgen import Caller, Exclusivity, NoRequest, Plugin, Subject, Task, hookimpl


async def prepare(start, request):
    return request


async def handler(ctx, payload):
    time.sleep(100)
    return {}


@hookimpl
def ticketgen_plugin():
    task = Task(
        name="slow",
        summary="Blocks the event loop.",
        request=NoRequest,
        payload=NoRequest,
        prepare=prepare,
        handler=handler,
        job_name="slow_job",
        subject=Subject.NONE,
        exclusivity=Exclusivity.TYPE,
        startable_by=Caller.ADMIN,
    )
    return Plugin(name="slow", summary="Blocks.", tasks=(task,))
"""


async def test_a_blocked_worker_told_to_stop_hands_back_its_run_and_ends_itself(
    settings: Settings, install_plugin: Callable[..., InstalledPlugin]
) -> None:
    installed = install_plugin("slow", _BLOCKS)
    spec = find_spec(installed.module)
    assert spec is not None
    assert spec.origin is not None
    narrow = settings.model_copy(update={"allowed_plugins": ("slow",)})
    async with open_runtime(narrow) as runtime:
        run = await lab.start(runtime, "slow")

        path = str(Path(spec.origin).parent)
        async with _worker(settings, *_OURS, path=path) as worker:
            await worker.until(_in_state(runtime, run.id, RunState.RUNNING))
            worker.send(signal.SIGTERM)
            code = await worker.ended()

        back = await lab.run_of(runtime, run.id)
        assert code == 75, worker.log
        assert (back.state, back.tries, back.rescues) == (RunState.QUEUED, 0, 0)
        assert "process_ended_blocked" in worker.log
        assert "time.sleep(100)" in worker.log
