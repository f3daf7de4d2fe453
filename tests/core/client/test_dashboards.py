from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.core.client.hostile import (
    HostileApi,
    answering,
    clients_of,
    hostile_api,
    positions,
    problem,
    watching,
)
from ticketgen.client import (
    ApiForbiddenError,
    ApiNotFoundError,
    ApiProblemError,
    ApiUnauthenticatedError,
    ProgressMessage,
    Stream,
)


@dataclass(kw_only=True)
class Dashboard(HostileApi):
    """An API whose one socket shows many runs, each with wrongs of its own."""

    runs: list[HostileApi] = field(default_factory=list)
    refuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is said of a stream that is not to be had, by its run."""
    subscribed: list[dict[str, Any]] = field(default_factory=list)

    def meant(self, frame: dict[str, Any]) -> HostileApi | None:
        """The run that a frame is about."""
        for run in self.runs:
            names = {
                str(run.run_id): frame.get("task_id"),
                str(run.session_id): frame.get("session_id"),
            }
            if any(name == asked for name, asked in names.items()):
                return run
        return None

    async def stream(self, connection: ServerConnection) -> None:
        try:
            async for raw in connection:
                frame = json.loads(raw)
                self.subscribed.append({**frame})
                assert frame.pop("action") == "subscribe"
                after = frame.pop("after", None)
                run = self.meant(frame)
                refused = self.refuses.get(str(frame.get("task_id")))
                if refused is not None or run is None:
                    said = refused or {"code": "not_found", "user_message": "There is no such run."}
                    await self._say(connection, "refused", frame, **said)
                    continue
                await self._show(connection, run, frame, after)
        except ConnectionClosed:
            return

    async def _show(
        self,
        connection: ServerConnection,
        run: HostileApi,
        frame: dict[str, Any],
        after: str | None,
    ) -> None:
        await self._say(connection, "subscribed", frame)
        for message in run.attached(after):
            await connection.send(json.dumps(message))
        if not run.has_ended:
            for step in run.steps.pop(0) if run.steps else ("end",):
                await run.do(step, connection)
        if not run.has_ended:
            await run.do("1012", connection)
        await self._say(connection, "ended", frame)

    async def _say(
        self, connection: ServerConnection, kind: str, stream: dict[str, Any], **also: Any
    ) -> None:
        await connection.send(json.dumps({"type": kind, "stream": stream, **also}))


_SAID = ("progress", "again", "backwards", "stale", "other", "garbage", "resync", "snapshot")
_STEPS = st.lists(st.sampled_from((*_SAID, "epoch", "drop", "1012", "1013")), max_size=6)
_SCRIPTS = st.lists(st.lists(_STEPS, max_size=3), min_size=1, max_size=4)


async def _watched(api: Dashboard, streams: Sequence[Stream | UUID]) -> list[ProgressMessage]:
    async with hostile_api(api), watching(api) as client, asyncio.timeout(60):
        return [message async for message in client.watch_many(streams)]


def _of(messages: Sequence[ProgressMessage], run: HostileApi) -> list[ProgressMessage]:
    return [message for message in messages if message.task_id == run.run_id]


@settings(max_examples=60, deadline=None)
@given(
    scripts=st.lists(st.lists(_STEPS, max_size=3), min_size=1, max_size=4), of_runs=st.booleans()
)
def test_whatever_happens_to_one_socket_each_run_ends_once_and_in_order(
    scripts: list[list[list[str]]], of_runs: bool
) -> None:
    api = Dashboard(runs=[HostileApi(steps=[*script]) for script in scripts])
    streams = [
        Stream(task_id=run.run_id)
        if of_runs
        else Stream(session_id=run.session_id, task_type="processing")
        for run in api.runs
    ]

    messages = asyncio.run(_watched(api, streams))

    for run in api.runs:
        mine = _of(messages, run)
        assert [message.is_terminal for message in mine].count(True) == 1
        assert mine[-1].type == "completed"
        for numbers in positions(mine).values():
            assert numbers == sorted(set(numbers))
    assert len(messages) == sum(len(_of(messages, run)) for run in api.runs)


async def test_one_socket_shows_runs_and_tasks_of_sessions_and_resumes_each() -> None:
    first, second = HostileApi(), HostileApi(steps=[["progress", "drop"]])
    api = Dashboard(runs=[first, second])

    messages = await _watched(
        api, [Stream(session_id=run.session_id, task_type="processing") for run in api.runs]
    )

    assert set(api.asked) == {"/api/progress"}
    assert {(m.task_id, m.type) for m in messages if m.is_terminal} == {
        (first.run_id, "completed"),
        (second.run_id, "completed"),
    }
    again = {"action": "subscribe", "task_id": str(second.run_id), "after": "e1-1"}
    assert api.subscribed[-1] == again


async def test_the_same_run_asked_for_twice_is_watched_once() -> None:
    run = HostileApi()
    api = Dashboard(runs=[run])

    messages = await _watched(api, [run.run_id, Stream(task_id=str(run.run_id).upper())])

    assert [message.type for message in messages] == ["snapshot", "completed"]


async def test_nothing_to_watch_is_over_at_once() -> None:
    assert await _watched(Dashboard(), []) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"code": "not_found", "user_message": "Gone."}, ApiNotFoundError),
        ({"code": "permission_denied", "user_message": "Not yours."}, ApiForbiddenError),
        ({"code": "invalid_input", "user_message": "Enough."}, ApiProblemError),
    ],
)
async def test_a_refused_stream_is_told_and_the_others_go_on(
    said: dict[str, Any], expected: type[ApiProblemError]
) -> None:
    run, refused = HostileApi(), uuid4()
    api = Dashboard(runs=[run], refuses={str(refused): said})
    told: list[tuple[Stream, ApiProblemError]] = []

    async with hostile_api(api), watching(api) as client:
        stream = client.watch_many([refused, run.run_id], refused=lambda *what: told.append(what))
        messages = [message async for message in stream]

    assert messages[-1].type == "completed"
    [(stream_of, error)] = told
    assert stream_of == Stream(task_id=refused)
    assert type(error) is expected
    assert error.recovery_actions


async def test_a_refused_stream_is_an_error_where_nobody_is_told() -> None:
    with pytest.raises(ApiNotFoundError, match="no such run"):
        await _watched(Dashboard(runs=[HostileApi()]), [uuid4()])


async def test_a_stream_that_is_refused_for_now_comes_later() -> None:
    run = HostileApi()
    api = Dashboard(runs=[run], refuses={str(run.run_id): {"code": "temporary"}})

    async with hostile_api(api), watching(api) as client:
        stream = client.watch_many([run.run_id], lost=lambda _: api.refuses.clear())
        messages = [message async for message in stream]

    assert [message.type for message in messages] == ["snapshot", "completed"]


async def test_where_there_is_no_such_socket_each_is_watched_by_itself() -> None:
    run = HostileApi(steps=[["progress", "drop"]])

    def none(request: Request) -> Response | None:
        return answering(403) if request.path == "/api/progress" else None

    run.answers = [none]

    async with hostile_api(run), watching(run) as client:
        of_task = Stream(session_id=run.session_id, task_type="processing")
        messages = [message async for message in client.watch_many([run.run_id, of_task])]

    assert [message.is_terminal for message in messages].count(True) == 2


async def test_more_streams_than_one_socket_takes_are_watched_over_several() -> None:
    runs = [HostileApi() for _ in range(201)]
    api = Dashboard(runs=runs)

    messages = await _watched(api, [run.run_id for run in runs])

    assert api.asked == ["/api/progress"] * 2
    assert len({message.task_id for message in messages if message.is_terminal}) == 201


async def test_a_dashboard_without_a_good_token_is_refused() -> None:
    api = Dashboard(answers=[lambda request: problem(401)])

    with pytest.raises(ApiUnauthenticatedError):
        await _watched(api, [uuid4()])


async def test_whoever_leaves_a_dashboard_leaves_nothing_open() -> None:
    run = HostileApi(steps=[["progress", "wait"]])
    api = Dashboard(runs=[run])

    async with hostile_api(api), watching(api) as client:
        async with aclosing(client.watch_many([run.run_id])) as stream:
            await anext(stream)
        assert await clients_of(api) == 0

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
