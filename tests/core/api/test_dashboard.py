from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.core.api.expecting import refused
from tests.core.api.streaming import next_message, start_run
from ticketgen.progress import publish_progress
from ticketgen.testing import LiveApi, drain, start_session

pytestmark = pytest.mark.services


@asynccontextmanager
async def _dashboard(live: LiveApi, token: str | None = None) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {token or live.api.token}"}
    async with connect(f"ws://{live.host}/api/progress", additional_headers=headers) as socket:
        yield socket


async def _ask(socket: ClientConnection, action: str, **stream: object) -> None:
    await socket.send(
        json.dumps({"action": action, **{name: str(value) for name, value in stream.items()}})
    )


async def _until(socket: ClientConnection, kind: str) -> list[dict[str, Any]]:
    told = [await next_message(socket)]
    while told[-1]["type"] != kind:
        told.append(await next_message(socket))
    return told


async def _say(live: LiveApi, session_id: str, run_id: UUID, percentage: float) -> None:
    await publish_progress(
        live.api.runtime.publisher,
        session_id=UUID(session_id),
        task_id=run_id,
        task_type="processing",
        percentage=percentage,
        stage="Writing",
    )


async def test_one_socket_follows_many_streams_and_stays_when_one_ends(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)
    waiting = await start_session(live_api.api)

    async with _dashboard(live_api) as socket:
        await _ask(socket, "subscribe", task_id=run_id)
        first = await _until(socket, "snapshot")
        await _ask(socket, "subscribe", session_id=waiting, task_type="export")
        second = await _until(socket, "snapshot")
        await drain(live_api.api.runtime)
        rest = await _until(socket, "ended")
        await _ask(socket, "unsubscribe", session_id=waiting, task_type="export")
        last = await _until(socket, "unsubscribed")
        count = live_api.hub.listener_count

    stream = {"task_id": str(run_id)}
    assert first[0] == {
        "type": "subscribed",
        "stream": stream,
        "code": None,
        "user_message": None,
    }
    assert first[1]["task_id"] == str(run_id)
    assert second[0]["stream"] == {"session_id": waiting, "task_type": "export"}
    assert (second[1]["session_id"], second[1]["status"]) == (waiting, "not_started")
    assert rest[-2]["type"] == "completed"
    assert rest[-1]["stream"] == stream
    assert {message["session_id"] for message in rest[:-1]} == {session_id}
    assert last[-1]["stream"] == second[0]["stream"]
    assert count == 0


async def test_a_subscription_resumes_by_position(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)
    for percentage in (10, 20, 30):
        await _say(live_api, session_id, run_id, percentage)

    async with _dashboard(live_api) as socket:
        await _ask(socket, "subscribe", task_id=run_id)
        [_, snapshot] = await _until(socket, "snapshot")
        await _ask(socket, "unsubscribe", task_id=run_id)
        await _until(socket, "unsubscribed")
        await _ask(socket, "subscribe", task_id=run_id, after=f"{snapshot['epoch']}-1")
        told = [await next_message(socket) for _ in range(4)]
        await _ask(socket, "subscribe", task_id=run_id, after="x")
        await _ask(socket, "subscribe", task_id=run_id)
        wrong = [await next_message(socket), await next_message(socket)]

    assert [message["type"] for message in told] == [
        "subscribed",
        "snapshot",
        "progress",
        "progress",
    ]
    assert [message["sequence"] for message in told[1:]] == [1, 2, 3]
    assert [message["type"] for message in wrong] == ["refused", "refused"]
    assert "position" in wrong[0]["user_message"]
    assert "already" in wrong[1]["user_message"]


async def test_what_may_not_be_followed_is_refused_and_the_socket_stays(
    live_api: LiveApi,
) -> None:
    _, run_id = await start_run(live_api)
    session_id = await start_session(live_api.api)
    asked: list[dict[str, object]] = [
        {"task_id": run_id},
        {"task_id": uuid4()},
        {"session_id": session_id, "task_type": "processing"},
        {"session_id": session_id, "task_type": "nothing"},
        {"session_id": session_id, "task_type": "cleanup.audit_logs"},
    ]
    codes = []

    async with _dashboard(live_api, live_api.api.other_token) as socket:
        for stream in asked:
            await _ask(socket, "subscribe", **stream)
            answer = await next_message(socket)
            assert answer["type"] == "refused"
            assert answer["stream"] == {name: str(value) for name, value in stream.items()}
            codes.append(answer["code"])

    assert codes == [
        "permission_denied",
        "not_found",
        "permission_denied",
        "not_found",
        "invalid_input",
    ]


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"action": "dance"}',
        '{"action": "subscribe"}',
        '{"action": "subscribe", "task_id": "x"}',
        '{"action": "subscribe", "task_id": null, "session_id": null}',
        '{"action": "subscribe", "task_type": "export"}',
        '{"action": "subscribe", "more": 1}',
        "x" * 10_000,
        "[" * 4_000,
        b"\xff\xfe",
        b"{}",
    ],
)
async def test_a_malformed_frame_is_answered_and_closes_nothing(
    live_api: LiveApi, frame: str | bytes
) -> None:
    async with _dashboard(live_api) as socket:
        await socket.send(frame)
        answer = await next_message(socket)
        await _ask(socket, "unsubscribe", task_id=uuid4())
        next_answer = await next_message(socket)

    assert (answer["type"], answer["stream"], answer["code"]) == ("refused", {}, "invalid_input")
    assert answer["user_message"]
    assert next_answer["type"] == "unsubscribed"


async def test_a_socket_follows_so_many_streams_and_no_more(
    live_api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.api.streaming.dashboard.MOST_SUBSCRIPTIONS", 2)
    sessions = [await start_session(live_api.api) for _ in range(3)]

    async with _dashboard(live_api) as socket:
        for session_id in sessions[:2]:
            await _ask(socket, "subscribe", session_id=session_id, task_type="export")
            await _until(socket, "snapshot")
        await _ask(socket, "subscribe", session_id=sessions[2], task_type="export")
        refusal = await next_message(socket)
        await _ask(socket, "unsubscribe", session_id=sessions[0], task_type="export")
        await _until(socket, "unsubscribed")
        await _ask(socket, "subscribe", session_id=sessions[2], task_type="export")
        let_in = await _until(socket, "snapshot")

    assert (refusal["type"], refusal["code"]) == ("refused", "invalid_input")
    assert let_in[0]["type"] == "subscribed"


async def test_a_stream_whose_session_is_deleted_is_refused_from_then_on(
    live_api: LiveApi,
) -> None:
    session_id = await start_session(live_api.api)

    async with _dashboard(live_api) as socket:
        await _ask(socket, "subscribe", session_id=session_id, task_type="export")
        await _until(socket, "snapshot")
        async with live_api.api.runtime.engine.begin() as connection:
            await connection.execute(text("DELETE FROM sessions"))
        answer = await next_message(socket)

    assert (answer["type"], answer["code"]) == ("refused", "not_found")


async def test_a_dashboard_that_leaves_leaves_all_its_streams(live_api: LiveApi) -> None:
    sessions = [await start_session(live_api.api) for _ in range(3)]
    async with _dashboard(live_api) as socket:
        for session_id in sessions:
            await _ask(socket, "subscribe", session_id=session_id, task_type="export")
            await _until(socket, "snapshot")
        assert live_api.hub.listener_count == 3

    async with asyncio.timeout(60):
        while live_api.hub.listener_count:  # noqa: ASYNC110 - the count has no event
            await asyncio.sleep(0.01)


async def test_a_process_that_ends_sends_its_dashboards_away(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)
    async with _dashboard(live_api) as busy, _dashboard(live_api) as idle:
        await _ask(busy, "subscribe", session_id=session_id, task_type="export")
        await _until(busy, "snapshot")
        live_api.streams.stop()
        codes = []
        for socket in (busy, idle):
            with pytest.raises(ConnectionClosed) as closed:
                await next_message(socket)
            codes.append(closed.value.rcvd and closed.value.rcvd.code)

    assert codes == [1012, 1012]


async def test_a_dashboard_needs_a_token_or_a_pass_of_its_own(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)
    client = live_api.api.client
    for_dashboard = (await client.post("/api/stream-passes", json={"dashboard": True})).json()
    for_stream = (
        await client.post(
            "/api/stream-passes", json={"session_id": session_id, "task_type": "export"}
        )
    ).json()
    secret = for_stream["url"].partition("?")[2]

    async with connect(for_dashboard["url"].replace("testserver", live_api.host)) as socket:
        await _ask(socket, "subscribe", session_id=session_id, task_type="export")
        assert (await next_message(socket))["type"] == "subscribed"
    for query, headers in (
        ("", {}),
        (f"?{secret}", {}),
        ("", {"Authorization": "Bearer tg_wrong"}),
    ):
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(
                f"ws://{live_api.host}/api/progress{query}", additional_headers=headers
            ):
                pass
        assert refusal.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as elsewhere:
        async with connect(
            f"ws://{live_api.host}/api/progress",
            origin="https://elsewhere.example",  # type: ignore[arg-type]
        ):
            pass
    assert elsewhere.value.response.status_code == 403
    assert for_dashboard["events_url"] is None
    refused(
        await client.post("/api/stream-passes", json={"dashboard": True, "task_id": str(uuid4())}),
        422,
    )
