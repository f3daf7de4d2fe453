"""Handlers as plain functions."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from tests.core import lab
from ticketgen import BlockingContext, TaskContext, in_thread
from ticketgen.domain.task_runs import RunState
from ticketgen.errors import InvalidInputError
from ticketgen.settings import Settings
from ticketgen.testing import run_to_end

pytestmark = pytest.mark.services


async def test_a_plain_function_works_in_a_thread_and_its_loop_stays_free(
    settings: Settings,
) -> None:
    threads: list[threading.Thread] = []
    ticks: list[float] = []

    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        threads.append(threading.current_thread())
        time.sleep(0.3)
        return {"note": payload.note, "attempt": ctx.run.attempt}

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async with lab.open_lab(settings, lab.task(handler=in_thread(compute))) as runtime:
        run = await lab.start(runtime, request=lab.Note(note="hello"))
        ticking = asyncio.create_task(tick())

        settled = await run_to_end(runtime, run.id)

        ticking.cancel()
        assert settled.result_summary == {"note": "hello", "attempt": 1}
        assert threads[0] is not threading.main_thread()
        assert len(ticks) > 10


async def test_steps_and_progress_of_a_plain_function_are_kept(settings: Settings) -> None:
    done: list[int] = []

    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        def work() -> int:
            done.append(1)
            return 7

        ctx.progress(50, "Halfway", page=3)
        return {"first": ctx.step("a", work), "again": ctx.step("a", work)}

    async with lab.open_lab(settings, lab.task(handler=in_thread(compute))) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.result_summary == {"first": 7, "again": 7}
        assert settled.progress["stage"] == "Halfway"
        assert done == [1]


async def test_an_error_of_a_plain_function_is_the_run_s(settings: Settings) -> None:
    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        raise InvalidInputError("Rename the column.")

    async with lab.open_lab(settings, lab.task(handler=in_thread(compute))) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.error is not None
        assert (settled.state, settled.error["code"]) == (RunState.FAILED, "invalid_input")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(1)])
async def test_no_error_of_a_plain_function_ends_the_process(
    settings: Settings, error: BaseException
) -> None:
    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        raise error

    async with lab.open_lab(settings, lab.task(handler=in_thread(compute))) as runtime:
        run = await lab.start(runtime)

        settled = await run_to_end(runtime, run.id)

        assert settled.error is not None
        assert (settled.state, settled.error["code"]) == (RunState.FAILED, "unexpected")


async def test_a_cancelled_plain_function_stops_at_its_next_call(settings: Settings) -> None:
    begun, ended = threading.Event(), threading.Event()

    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        begun.set()
        try:
            while True:
                time.sleep(0.01)
                ctx.checkpoint()
        finally:
            ended.set()

    async with lab.open_lab(settings, lab.task(handler=in_thread(compute))) as runtime:
        run = await lab.start(runtime)
        work = asyncio.create_task(run_to_end(runtime, run.id))
        await asyncio.to_thread(begun.wait, lab.PATIENCE)

        async with runtime.unit_of_work() as unit:
            await unit.cancel(run.id)
        async with asyncio.timeout(lab.PATIENCE):
            settled = await work

        assert ended.is_set()
        assert settled.state is RunState.CANCELLED


async def test_the_rest_of_the_context_is_reached_through_the_loop(settings: Settings) -> None:
    def compute(ctx: BlockingContext, payload: lab.Note) -> dict[str, Any]:
        return {"loop": ctx.wait_for(_thread_name())}

    async def _thread_name() -> str:
        return threading.current_thread().name

    async def plain(ctx: TaskContext, payload: lab.Note) -> dict[str, Any]:
        return {"loop": await _thread_name()}

    tasks = (lab.task("lab", in_thread(compute)), lab.task("lab.plain", plain))
    async with lab.open_lab(settings, *tasks) as runtime:
        threaded = await run_to_end(runtime, (await lab.start(runtime, "lab")).id)
        direct = await run_to_end(runtime, (await lab.start(runtime, "lab.plain")).id)

    assert threaded.result_summary == direct.result_summary
