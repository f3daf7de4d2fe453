"""A process's streams, and a run to follow."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.core.streams.scene import new_runs, opened
from ticketgen.domain.task_runs import TaskRun
from ticketgen.runtime import Runtime
from ticketgen.streams.service import Streams


@pytest.fixture
async def streams(runtime: Runtime) -> AsyncIterator[Streams]:
    async with opened(runtime) as running:
        yield running


@pytest.fixture
async def run(runtime: Runtime) -> TaskRun:
    [one] = await new_runs(runtime, 1)
    return one
