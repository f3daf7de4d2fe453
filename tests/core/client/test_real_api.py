from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.core.api.expecting import BUNDLES
from tests.core.api.streaming import start_run
from tests.core.client.hostile import positions
from ticketgen.client import (
    ApiConflictError,
    ApiForbiddenError,
    ApiNotFoundError,
    ApiProblemError,
    ApiUnauthenticatedError,
    Client,
    Pace,
    ProgressMessage,
    Stream,
    streaming,
)
from ticketgen.progress import publish_progress
from ticketgen.runtime import Runtime
from ticketgen.testing import Api, LiveApi, drain, start_session

pytestmark = pytest.mark.services

_SOON = Pace(
    first_delay=timedelta(milliseconds=50),
    longest_delay=timedelta(milliseconds=200),
    between_polls=timedelta(milliseconds=50),
)
_WAYS = (streaming.by_websocket, streaming.by_events, streaming.by_polling)


@asynccontextmanager
async def _client(live: LiveApi, token: str | None = None) -> AsyncIterator[Client]:
    async with Client(
        live.url, token=token or live.api.token, pace=_SOON, trust_env=False
    ) as client:
        yield client


async def _say(api: Api, session_id: str, run_id: UUID, *percentages: float) -> None:
    for percentage in percentages:
        await publish_progress(
            api.runtime.publisher,
            session_id=UUID(session_id),
            task_id=run_id,
            task_type="processing",
            percentage=percentage,
            stage="Writing",
        )


async def test_a_task_is_started_looked_at_cancelled_and_tried_again(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api, {"Bundles.csv": BUNDLES})

    async with _client(live_api) as client:
        before = await client.status("processing", session_id)
        started = await client.start("processing", session_id)
        again = await client.start("processing", session_id)
        cancelled = await client.cancel(started.task_id)
        retried = await client.retry(started.task_id)
        await drain(live_api.api.runtime)
        ended = await client.wait(retried.task_id)
        after = await client.status("processing", session_id)
        with pytest.raises(ApiConflictError):
            await client.retry(retried.task_id)

    assert (before.status, before.run) == ("not_started", None)
    assert (again.task_id, again.existing, started.existing) == (started.task_id, True, False)
    assert cancelled.status == "cancelled"
    assert (ended.status, ended.retry_count) == ("completed", 1)
    assert ended.result_summary is not None
    assert ended.result_summary["tickets_generated"] == 2
    assert after.run == ended


async def test_what_a_run_says_of_itself_is_all_that_the_api_says(live_api: LiveApi) -> None:
    _, run_id = await start_run(live_api)

    async with _client(live_api) as client:
        run = await client.run(run_id)
        raw = await client.call("GET", f"/api/runs/{run_id}")

    assert run.model_dump(mode="json") == raw


@pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__)
async def test_a_run_is_watched_to_its_ending_in_every_way(
    live_api: LiveApi, way: streaming.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.client.watching.EVERY_WAY", (way,))
    session_id, run_id = await start_run(live_api)
    messages: list[ProgressMessage] = []

    async with _client(live_api) as client:
        async for message in client.watch(session_id=session_id, task_type="processing"):
            if not messages:
                await drain(live_api.api.runtime)
            messages.append(message)

    assert messages[0].type == "snapshot"
    assert [message.is_terminal for message in messages].count(True) == 1
    assert messages[-1].type == "completed"
    assert {message.task_id for message in messages} == {run_id}
    for numbers in positions(messages).values():
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("way", _WAYS[:2], ids=lambda way: way.__name__)
async def test_what_was_said_while_nobody_listened_is_told_afterwards(
    live_api: LiveApi, way: streaming.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.client.watching.EVERY_WAY", (way,))
    session_id, run_id = await start_run(live_api)
    await _say(live_api.api, session_id, run_id, 10)

    async with _client(live_api) as client:
        first = await anext(client.watch(task_id=run_id))
        await _say(live_api.api, session_id, run_id, 20, 30)
        await drain(live_api.api.runtime)
        rest = [m async for m in client.watch(task_id=run_id, after=first.position)]

    [(epoch, numbers)] = positions(rest).items()
    assert first.position == f"{epoch}-1"
    assert numbers == [*range(2, numbers[-1] + 1)]
    assert [message.progress_percentage for message in rest[1:3]] == [20, 30]
    assert rest[-1].type == "completed"


async def test_many_runs_are_watched_over_one_socket(live_api: LiveApi) -> None:
    (session_id, first), (_, second) = await start_run(live_api), await start_run(live_api)
    other = await live_api.api.client.post(
        "/api/sessions", json={"name": "Other"}, headers=live_api.api.as_other
    )
    foreign = Stream(session_id=other.json()["id"], task_type="processing")
    refused: list[tuple[Stream, ApiProblemError]] = []
    messages: list[ProgressMessage] = []

    async with _client(live_api) as client:
        of_task = Stream(session_id=session_id, task_type="processing")
        async for message in client.watch_many(
            [of_task, second, foreign, uuid4()], refused=lambda *what: refused.append(what)
        ):
            messages.append(message)
            if len(messages) == 2:
                await drain(live_api.api.runtime)

    endings = [(message.task_id, message.type) for message in messages if message.is_terminal]
    assert sorted(endings) == sorted([(first, "completed"), (second, "completed")])
    assert {type(error) for _, error in refused} == {ApiForbiddenError, ApiNotFoundError}
    for run_id in (first, second):
        for numbers in positions([m for m in messages if m.task_id == run_id]).values():
            assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__)
async def test_who_may_not_watch_is_told_so_in_every_way(
    live_api: LiveApi, way: streaming.Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.client.watching.EVERY_WAY", (way,))
    _, run_id = await start_run(live_api)
    refusals: list[tuple[str, UUID, type[Exception]]] = [
        ("tg_wrong", run_id, ApiUnauthenticatedError),
        (live_api.api.other_token, run_id, ApiForbiddenError),
        (live_api.api.token, uuid4(), ApiNotFoundError),
    ]

    for token, task_id, expected in refusals:
        async with _client(live_api, token) as client:
            with pytest.raises(expected):
                await anext(client.watch(task_id=task_id))


async def test_a_position_that_is_none_is_refused(live_api: LiveApi) -> None:
    _, run_id = await start_run(live_api)

    async with _client(live_api) as client:
        with pytest.raises(ApiProblemError, match="is no position") as raised:
            await anext(client.watch(task_id=run_id, after="yesterday"))

    assert raised.value.problem["status"] == 422


def _spawned(runtime: Runtime, port: int) -> subprocess.Popen[bytes]:
    settings = runtime.settings
    [key] = settings.secret_keys
    environment = {
        **os.environ,  # noqa: TID251 - handed to a process
        "TICKETGEN_DATABASE_URL": str(settings.database_url),
        "TICKETGEN_REDIS_URL": str(settings.redis_url),
        "TICKETGEN_DATA_DIR": str(settings.data_dir),
        "TICKETGEN_SECRET_KEYS": key.get_secret_value(),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "ticketgen", "api", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@asynccontextmanager
async def _api_process(runtime: Runtime, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """`ticketgen api` on the port, as soon as it answers; killed in the end."""
    process = _spawned(runtime, port)
    try:
        async with asyncio.timeout(60), httpx2.AsyncClient(trust_env=False) as http:
            while not await _lives(http, port):
                assert process.poll() is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


async def _lives(http: httpx2.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/health/live")).is_success
    except httpx2.HTTPError:
        return False


async def test_an_api_that_is_killed_and_started_again_costs_no_message(
    live_api: LiveApi,
) -> None:
    api = live_api.api
    session_id, run_id = await start_run(live_api)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lost = asyncio.Event()
    await _say(api, session_id, run_id, 1)

    async with Client(
        f"http://127.0.0.1:{port}", token=api.token, pace=_SOON, trust_env=False
    ) as client:
        stream = client.watch(task_id=run_id, lost=lambda _: lost.set())
        async with _api_process(api.runtime, port) as process:
            begun = [await anext(stream)]
            await _say(api, session_id, run_id, 2, 3)
            begun += [await anext(stream), await anext(stream)]
            process.kill()
            reading = asyncio.create_task(_rest(stream))
            await lost.wait()
        await _say(api, session_id, run_id, 4, 5)
        async with _api_process(api.runtime, port):
            await drain(api.runtime)
            async with asyncio.timeout(60):
                rest = await reading

    [numbers] = positions([*begun, *rest]).values()
    assert numbers == [*range(2, numbers[-1] + 1)]
    assert [message.is_terminal for message in rest].count(True) == 1
    assert rest[-1].type == "completed"


async def _rest(stream: Any) -> list[ProgressMessage]:
    return [message async for message in stream]
