from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import text

from tests.core.api.event_streams import open_events
from tests.core.api.expecting import generated_session, refused
from tests.core.api.streaming import start_run
from ticketgen.progress import publish_progress
from ticketgen.testing import LiveApi, drain, start_session

pytestmark = pytest.mark.services


async def _say(live: LiveApi, session_id: str, run_id: UUID, percentage: float) -> None:
    assert await publish_progress(
        live.api.runtime.publisher,
        session_id=UUID(session_id),
        task_id=run_id,
        task_type="processing",
        percentage=percentage,
        stage="Writing",
    )


async def _left(live: LiveApi) -> None:
    async with asyncio.timeout(60):
        while live.hub.listener_count:  # noqa: ASYNC110 - the count has no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("by", ["session", "run"])
async def test_events_tell_what_a_socket_tells_with_type_and_position(
    live_api: LiveApi, by: str
) -> None:
    session_id, run_id = await start_run(live_api)
    path = {
        "session": f"/api/processing/events/{session_id}",
        "run": f"/api/runs/{run_id}/events",
    }[by]

    async with open_events(live_api, path) as events:
        retry = await events.next()
        snapshot = await events.next_message()
        await _say(live_api, session_id, run_id, 40)
        progress = await events.next_message()
        await drain(live_api.api.runtime)
        rest = await events.rest()

    assert events.response.headers["content-type"].startswith("text/event-stream")
    assert "no-cache" in events.response.headers["cache-control"]
    assert events.response.headers["x-accel-buffering"] == "no"
    assert retry is not None
    assert int(retry.retry or 0) > 0
    assert (snapshot.kind, snapshot.id) == ("snapshot", None)
    assert snapshot.data["task_id"] == str(run_id)
    assert (progress.kind, progress.data["progress_percentage"]) == ("progress", 40)
    assert progress.id == f"{progress.data['epoch']}-{progress.data['sequence']}"
    assert rest[-1].kind == "completed"
    assert rest[-1].data["result_summary"]["tickets_generated"] == 2


@pytest.mark.parametrize("by", ["Last-Event-ID", "after"])
async def test_a_client_that_comes_back_gets_what_it_has_missed(live_api: LiveApi, by: str) -> None:
    session_id, run_id = await start_run(live_api)
    path = f"/api/processing/events/{session_id}"
    async with open_events(live_api, path) as events:
        await events.next_message()
        await _say(live_api, session_id, run_id, 10)
        seen = await events.next_message()
    for percentage in (20, 30):
        await _say(live_api, session_id, run_id, percentage)
    headers = {"Last_Event_ID": str(seen.id)} if by == "Last-Event-ID" else {}
    # A browser repeats the address with which it began.
    address = f"{path}?after={seen.id if by == 'after' else 'old-1'}"

    async with open_events(live_api, address, **headers) as events:
        told = [await events.next_message() for _ in range(3)]

    assert [event.kind for event in told] == ["snapshot", "progress", "progress"]
    assert told[0].id == seen.id
    assert [event.data["progress_percentage"] for event in told] == [30, 20, 30]


async def test_a_client_that_has_seen_the_ending_is_told_not_to_come_back(
    live_api: LiveApi,
) -> None:
    session_id = await generated_session(live_api.api)
    path = f"/api/processing/events/{session_id}"

    async with open_events(live_api, path) as events:
        told = await events.rest()
    async with open_events(live_api, path, Last_Event_ID=str(told[0].id)) as between:
        again = await between.rest()
    async with open_events(live_api, path, Last_Event_ID=str(told[-1].id)) as after:
        nothing = await after.rest()

    assert [event.kind for event in told] == ["snapshot", "completed"]
    assert [event.kind for event in again] == ["snapshot", "completed"]
    assert (after.response.status_code, nothing) == (204, [])


async def test_an_ending_of_which_nothing_is_kept_is_not_told_for_ever(live_api: LiveApi) -> None:
    session_id = await generated_session(live_api.api)
    await live_api.api.runtime.redis.flushall()
    path = f"/api/processing/events/{session_id}"

    async with open_events(live_api, path, Last_Event_ID="gone-7") as events:
        told = await events.rest()
    async with open_events(live_api, path, Last_Event_ID=str(told[-1].id)) as after:
        await after.rest()

    assert [event.kind for event in told] == ["resync", "snapshot", "completed"]
    assert after.response.status_code == 204


async def test_a_client_that_leaves_is_noticed_at_once(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_events(live_api, f"/api/processing/events/{session_id}") as events:
        await events.next_message()
        assert live_api.hub.listener_count == 1

    await _left(live_api)


async def test_a_silent_stream_pings(live_api: LiveApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ticketgen.api.streaming.events._PING_SECONDS", 0.05)
    session_id = await start_session(live_api.api)

    async with open_events(live_api, f"/api/processing/events/{session_id}") as events:
        await events.next_message()
        ping = await events.next()

    assert ping is not None
    assert (ping.kind, ping.comment) == (None, "ping")


@pytest.mark.parametrize("what", ["session", "run"])
async def test_what_is_foreign_unknown_or_no_position_is_refused_as_usual(
    live_api: LiveApi, what: str
) -> None:
    session_id, run_id = await start_run(live_api)
    address = {"session": "/api/processing/events/{}", "run": "/api/runs/{}/events"}[what]
    own = address.format(session_id if what == "session" else run_id)
    client = live_api.api.client

    refused(await client.get(own, headers={"Authorization": ""}), 401, "authentication")
    refused(await client.get(own, headers=live_api.api.as_other), 403, "permission_denied")
    refused(await client.get(own, headers={"Origin": "https://elsewhere.example"}), 403)
    refused(await client.get(address.format(uuid4())), 404, "not_found")
    refused(await client.get(address.format("x")), 422, "invalid_input")
    refused(await client.get(f"{own}?after=nonsense"), 422, "invalid_input")
    assert live_api.hub.listener_count == 0


async def test_a_pass_opens_the_events_of_its_stream_and_no_others(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)
    made = await live_api.api.client.post(
        "/api/stream-passes", json={"session_id": session_id, "task_type": "processing"}
    )
    address = made.json()["events_url"].replace("http://testserver", live_api.url)

    async with httpx2.AsyncClient(timeout=60) as client:
        async with client.stream("GET", address) as response:
            status = response.status_code
        other = await client.get(address.replace("/processing/", "/export/"))

    assert status == 200
    assert other.status_code == 401


async def test_events_of_a_deleted_session_end(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_events(live_api, f"/api/processing/events/{session_id}") as events:
        await events.next_message()
        async with live_api.api.runtime.engine.begin() as connection:
            await connection.execute(text("DELETE FROM sessions"))
        rest = await events.rest()

    assert rest == []
