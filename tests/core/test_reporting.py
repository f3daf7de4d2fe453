from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from tests.core import lab
from ticketgen import TaskContext
from ticketgen.domain.task_runs import RunState
from ticketgen.embedded import EmbeddedServers
from ticketgen.progress import ProgressMessage
from ticketgen.runtime import Runtime
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def _progress(runtime: Runtime, channel: str) -> list[ProgressMessage]:
    messages = await lab.messages_of(runtime, channel)
    return [message for message in messages if message.type == "progress"]


async def test_progress_is_held_back_to_ten_a_second_and_the_last_is_always_sent(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        for n in range(1, 501):
            await ctx.progress(n / 5, "counting", n=n)
            await asyncio.sleep(0.001)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        messages = await _progress(runtime, f"progress:{run.id}:lab")
        pauses = [
            (later.timestamp - earlier.timestamp).total_seconds()
            for earlier, later in itertools.pairwise(messages[:-1])
        ]
        assert settled.state is RunState.COMPLETED
        assert min(pauses) >= 0.095
        assert (messages[-1].progress_percentage, messages[-1].details) == (100.0, {"n": 500})
        shown = [message.progress_percentage or 0 for message in messages]
        assert shown == sorted(shown)


async def test_progress_stays_between_nothing_and_everything(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        for value in (-5.0, 200.0, float("nan"), 33.333333):
            await ctx.progress(value, "odd")
            await asyncio.sleep(0.12)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        messages = await _progress(runtime, f"progress:{run.id}:lab")
        assert [message.progress_percentage for message in messages] == [0.0, 100.0, 0.0, 33.33]


async def test_progress_is_in_the_row_too_with_whatever_characters(settings: Settings) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        await ctx.progress(50, "nul \x00", thing=object, name="\ud800")
        await asyncio.sleep(0.2)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.state is RunState.COMPLETED
        assert settled.progress["stage"] == "nul �"
        assert settled.progress["details"]["name"] == "�"


async def test_redis_away_does_not_stop_a_handler(
    settings: Settings, servers: EmbeddedServers
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        for n in range(5):
            await ctx.progress(n * 20, "working")
            await asyncio.sleep(0.05)
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)
        await asyncio.to_thread(servers.kill_redis)
        try:
            await lab.runner_of(runtime).run(run.id)
        finally:
            await asyncio.to_thread(servers.start_redis)

        settled = await lab.run_of(runtime, run.id)
        assert settled.state is RunState.COMPLETED
        assert settled.progress["stage"] == "working"


async def test_a_stale_attempt_does_not_write_its_progress_into_the_row(
    settings: Settings,
) -> None:
    async def handler(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        await lab.change_run(runtime, ctx.run.id, attempt=2)
        await ctx.progress(10, "stale")
        return {}

    async with lab.open_lab(settings, lab.task(handler=handler)) as runtime:
        run = await lab.start(runtime)

        await run_to_end(runtime, run.id)

        assert (await lab.run_of(runtime, run.id)).progress == {}
