from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from arq.connections import ArqRedis

from tests.core import arq_lab
from ticketgen import arq_worker
from ticketgen.claiming import ClaimedJob
from ticketgen.queue import RunQueue, connect_arq
from ticketgen.settings import Settings

_QUEUE = "arq:queue"


pytestmark = pytest.mark.services


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[ArqRedis]:
    client = connect_arq(Settings(redis_url=redis_url))
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
async def runs(redis_url: str) -> AsyncIterator[RunQueue]:
    opened = RunQueue(Settings(redis_url=redis_url))
    yield opened
    await opened.close()


async def test_a_job_in_hand_at_the_end_has_its_old_place_again(
    redis_url: str, redis: ArqRedis, runs: RunQueue
) -> None:
    gate, delivery = arq_lab.Gate(), arq_lab.delivery_of()
    await runs.push(delivery)
    place = await redis.zscore(_QUEUE, delivery.job_id)

    async with arq_lab.working(arq_lab.built(redis_url, gate.job)):
        await arq_lab.until(lambda: gate.begun)

    assert await redis.zscore(_QUEUE, delivery.job_id) == place
    assert await redis.keys("arq:in-progress:*") == []
    assert await runs.absent([delivery]) == []


async def test_a_worker_told_to_stop_during_a_claim_gives_the_jobs_back(
    redis_url: str, runs: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, delivery = arq_lab.Record(), arq_lab.delivery_of()
    worker = arq_lab.built(redis_url, record.job)
    real = worker._claims.claim

    async def claim(wanted: int, **what: Any) -> list[ClaimedJob]:
        taken = await real(wanted, **what)
        worker.allow_pick_jobs = not taken
        return taken

    monkeypatch.setattr(worker._claims, "claim", claim)
    await runs.push(delivery)

    async with arq_lab.working(worker):
        await arq_lab.until(lambda: not worker.allow_pick_jobs)
        await asyncio.sleep(0.1)

    assert record.run_ids == []
    assert await runs.absent([delivery]) == []


async def test_everything_is_closed_even_if_a_job_swallows_its_cancellation(
    redis_url: str, runs: RunQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arq_worker, "_HAND_BACK_SECONDS", 0.2)
    let_go, begun, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def stubborn(ctx: dict[str, Any], run_id: str) -> None:
        begun.set()
        while not let_go.is_set():
            with suppress(asyncio.CancelledError):
                await let_go.wait()

    async def on_shutdown(ctx: dict[str, Any]) -> None:
        closed.set()
        raise RuntimeError("no")

    await runs.push(arq_lab.delivery_of())
    worker = arq_lab.built(redis_url, stubborn, on_shutdown=on_shutdown)

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(60), arq_lab.working(worker):
            await begun.wait()
    left = list(worker.tasks.values())
    let_go.set()
    await asyncio.wait(left)

    assert closed.is_set()
    assert {entry["event"] for entry in logs} >= {"jobs_left_behind", "close_step_failed"}


_PROCESS = """
import asyncio, os, sys, threading, time
from arq import func
from ticketgen import arq_worker
from ticketgen.arq_worker import Worker
from ticketgen.queue import connect_arq, deserialize_job
from ticketgen.settings import Settings

arq_worker._HAND_BACK_SECONDS = 0.3
arq_worker._INTERPRETER_SECONDS = 0.5


def say(word):
    print(word, flush=True)


async def blocking(ctx, run_id):
    say("begun")
    time.sleep(1000)


async def in_a_thread(ctx, run_id):
    say("begun")
    await asyncio.to_thread(time.sleep, 1000)


async def stubborn(ctx, run_id):
    say("begun")
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass


async def cooperative(ctx, run_id):
    say("begun")
    await asyncio.sleep(1000)


def watch(worker):
    while worker.told_to_stop_at is None:
        time.sleep(0.01)
    say("told")


asyncio.set_event_loop(asyncio.new_event_loop())
worker = Worker(
    [func(globals()[sys.argv[1]], name="lab_job", keep_result=0)],
    redis_pool=connect_arq(Settings()),
    served=lambda: {"lab"},
    job_names={"lab": "lab_job"},
    job_completion_wait=0.3,
    job_deserializer=deserialize_job,
)
threading.Thread(target=watch, args=(worker,), daemon=True).start()
worker.run()
say("closed")
"""


@asynccontextmanager
async def _process(
    redis_url: str, handler: str, folder: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process that has begun a job of the handler."""
    script = folder / "worker_process.py"
    script.write_text(_PROCESS)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        handler,
        env={**os.environ, "TICKETGEN_REDIS_URL": redis_url},  # noqa: TID251 - a child needs PATH
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _said(process, "begun")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _said(process: asyncio.subprocess.Process, word: str) -> None:
    """Wait for a line; log lines stand between them."""
    assert process.stdout is not None
    line = ""
    async with asyncio.timeout(60):
        while line != word:
            raw = await process.stdout.readline()
            assert raw, "the process has ended"
            line = raw.decode().rstrip("\n")


async def _code(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_told_to_stop_closes_and_ends(
    redis_url: str, runs: RunQueue, redis: ArqRedis, tmp_path: Path, number: signal.Signals
) -> None:
    delivery = arq_lab.delivery_of()
    await runs.push(delivery)

    async with _process(redis_url, "cooperative", tmp_path) as process:
        process.send_signal(number)
        await _said(process, "told")
        await _said(process, "closed")
        code = await _code(process)

    assert code == 0
    assert await runs.absent([delivery]) == []
    assert await redis.keys("arq:in-progress:*") == []


@pytest.mark.parametrize("handler", ["stubborn", "in_a_thread"])
async def test_a_worker_told_to_stop_ends_though_a_handler_does_not(
    redis_url: str, runs: RunQueue, tmp_path: Path, handler: str
) -> None:
    await runs.push(arq_lab.delivery_of())

    async with _process(redis_url, handler, tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        await _said(process, "told")
        await _said(process, "closed")
        code = await _code(process)

    assert code == (1 if handler == "in_a_thread" else 0)


async def test_a_second_signal_ends_a_worker_whose_loop_is_blocked_at_once(
    redis_url: str, runs: RunQueue, tmp_path: Path
) -> None:
    await runs.push(arq_lab.delivery_of())

    async with _process(redis_url, "blocking", tmp_path) as process:
        process.send_signal(signal.SIGTERM)
        await _said(process, "told")
        process.send_signal(signal.SIGINT)
        await asyncio.sleep(1.2)
        still_there = process.returncode is None
        process.send_signal(signal.SIGTERM)
        code = await _code(process)

    assert still_there
    assert code == 128 + signal.SIGTERM
