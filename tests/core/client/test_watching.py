from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.client.hostile import HostileApi, clients_of, hostile_api, positions, watching
from ticketgen.client import (
    ApiForbiddenError,
    ApiNotFoundError,
    ApiUnreachableError,
    PluginOutOfUseError,
    ProgressMessage,
)
from ticketgen.errors import InvalidInputError

_SAID = ("progress", "again", "garbage")
_WRONGS = ("progress", "silently", "backwards", "stale", "other", "resync", "snapshot", "epoch")
_ENDS = st.sampled_from(["drop", "drop", "1000", "1001", "1011", "1012", "1013"])
_MISSED = st.lists(st.just("silently"), max_size=3)


def _connections(
    *sayings: str, missed: st.SearchStrategy[list[str]]
) -> st.SearchStrategy[list[tuple[str, ...]]]:
    said = st.lists(st.sampled_from(sayings), max_size=8)
    one = st.tuples(said, missed, _ENDS).map(lambda parts: (*parts[0], *parts[1], parts[2]))
    return st.lists(one, max_size=5)


async def _watched(api: HostileApi) -> list[ProgressMessage]:
    async with hostile_api(api), watching(api) as client, asyncio.timeout(60):
        return [message async for message in client.watch(task_id=api.run_id)]


@settings(max_examples=150, deadline=None)
@given(connections=_connections(*_SAID, *_WRONGS, missed=st.just([])))
def test_whatever_happens_the_ending_comes_once_and_numbers_rise_within_an_epoch(
    connections: list[tuple[str, ...]],
) -> None:
    api = HostileApi(steps=[*connections])

    messages = asyncio.run(_watched(api))

    assert [message.is_terminal for message in messages].count(True) == 1
    assert messages[-1].type == "completed"
    assert messages[-1].result_summary == {"tickets": 2}
    assert {message.task_id for message in messages} == {api.run_id}
    for numbers in positions(messages).values():
        assert numbers == sorted(set(numbers))


@settings(max_examples=50, deadline=None)
@given(connections=_connections(*_SAID, missed=_MISSED))
def test_what_is_kept_is_never_missed(connections: list[tuple[str, ...]]) -> None:
    api = HostileApi(steps=[*connections, ("progress", "progress", "drop")])
    api.publish()

    messages = asyncio.run(_watched(api))

    # What came before the first snapshot is in it; all others come one by one.
    assert (messages[0].type, messages[0].sequence) == ("snapshot", 1)
    assert positions(messages) == {"e1": [*range(2, len(api.published) + 1)]}


async def test_a_watcher_comes_back_with_the_position_of_the_last_it_saw() -> None:
    api = HostileApi(steps=[("progress", "progress", "drop"), ("epoch", "progress", "1012")])

    await _watched(api)

    path = f"/api/runs/{api.run_id}/progress"
    assert api.asked == [path, f"{path}?after=e1-2", f"{path}?after=e2-1"]


async def test_a_position_of_before_is_gone_on_from() -> None:
    api = HostileApi(steps=[("progress", "drop")])
    for _ in range(5):
        api.publish()

    async with hostile_api(api), watching(api) as client:
        seen = [message async for message in client.watch(task_id=api.run_id, after="e1-3")]

    assert positions(seen) == {"e1": [4, 5, 6, 7]}
    assert seen[0].position == "e1-3"


async def test_a_session_is_watched_by_its_run_as_soon_as_that_is_known() -> None:
    api = HostileApi(steps=[("progress", "drop")])

    async with hostile_api(api), watching(api) as client:
        stream = client.watch(session_id=api.session_id, task_type="processing")
        seen = [message async for message in stream]

    assert api.asked == [
        f"/api/processing/progress/{api.session_id}",
        f"/api/runs/{api.run_id}/progress?after=e1-1",
    ]
    assert seen[-1].type == "completed"


async def test_a_resync_is_told_before_the_snapshot_that_stands_in() -> None:
    api = HostileApi(steps=[("progress", "epoch", "progress", "drop"), ("progress", "drop")])

    async with hostile_api(api), watching(api) as client:
        stream = client.watch(task_id=api.run_id, after="e0-7")
        seen = [message.type async for message in stream]

    assert seen[:2] == ["resync", "snapshot"]
    assert seen.count("resync") == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [(4403, ApiForbiddenError), (4404, ApiNotFoundError), (4503, PluginOutOfUseError)],
)
async def test_a_close_that_is_for_good_is_an_error_that_says_why(
    code: int, expected: type[Exception]
) -> None:
    api = HostileApi(steps=[("progress", "drop"), (str(code),)])

    async with hostile_api(api), watching(api) as client:
        with pytest.raises(expected, match="as it is") as raised:
            _ = [message async for message in client.watch(task_id=api.run_id)]

    assert getattr(raised.value, "recovery_actions", ())


async def test_a_loss_is_told_each_time() -> None:
    api = HostileApi(steps=[("drop",), ("1012",), ("1013",)])
    told: list[str] = []

    async with hostile_api(api), watching(api) as client:
        _ = [message async for message in client.watch(task_id=api.run_id, lost=told.append)]

    assert len(told) == 3


async def test_the_patience_ends_when_nothing_answers_for_as_long() -> None:
    api = HostileApi(steps=[("progress", "drop")])
    told: list[str] = []

    async with hostile_api(api):
        patient = watching(api, patience=timedelta(milliseconds=50))
        async with patient as client:
            stream = client.watch(task_id=api.run_id, lost=told.append)
            assert (await anext(stream)).type == "snapshot"
            assert api.server is not None
            api.server.close()
            with pytest.raises(ApiUnreachableError, match="cannot be reached") as raised:
                _ = [message async for message in stream]

    assert told
    assert raised.value.recovery_actions


async def test_a_server_that_is_gone_and_comes_back_on_its_port_is_found_again() -> None:
    api = HostileApi(steps=[("progress", "wait")])
    gone = asyncio.Event()

    async with AsyncExitStack() as first:
        await first.enter_async_context(hostile_api(api))
        async with watching(api) as client:
            stream = client.watch(task_id=api.run_id, lost=lambda _: gone.set())
            begun = [await anext(stream), await anext(stream)]
            await first.aclose()
            reading = asyncio.create_task(_rest(stream))
            await gone.wait()
            async with hostile_api(api, port=int(api.url.rpartition(":")[2])):
                rest = await reading

    assert positions([*begun, *rest]) == {"e1": [1, 2]}
    assert rest[-1].type == "completed"


async def _rest(stream: AsyncGenerator[ProgressMessage, None]) -> list[ProgressMessage]:
    return [message async for message in stream]


async def test_whoever_stops_reading_leaves_nothingclients_of() -> None:
    api = HostileApi(steps=[("progress", "wait"), ("progress", "wait"), ("progress", "wait")])

    async with hostile_api(api), watching(api) as client:
        async with aclosing(client.watch(task_id=api.run_id)) as stream:
            await anext(stream)
        assert await clients_of(api) == 0

        reading = asyncio.create_task(_rest(client.watch(task_id=api.run_id)))
        while not await clients_of(api, at_least=1):
            continue
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await clients_of(api) == 0

        forgotten = client.watch(task_id=api.run_id)
        await anext(forgotten)
        await client.aclose()
        assert await clients_of(api) == 0

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_a_stream_of_nothing_is_refused_at_once() -> None:
    api = HostileApi()

    async with watching(api, "http://127.0.0.1:1") as client:
        for named in ({}, {"session_id": uuid4()}, {"task_id": uuid4(), "task_type": "export"}):
            with pytest.raises(InvalidInputError, match="is that of a run"):
                client.watch(**named)
