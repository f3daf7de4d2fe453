from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.core.api.streaming import next_message, open_run, open_stream, start_run, to_the_end
from tests.core.lab import change_run
from ticketgen.domain.task_runs import RunState
from ticketgen.progress import publish_progress
from ticketgen.testing import LiveApi, drain

pytestmark = pytest.mark.services


async def test_a_run_of_a_session_is_streamed_by_its_own_address_too(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)

    async with open_stream(live_api, session_id) as one, open_run(live_api, run_id) as other:
        snapshots = [await next_message(one), await next_message(other)]
        await drain(live_api.api.runtime)
        by_session, code = await to_the_end(one)
        by_run, same_code = await to_the_end(other)

    assert [snapshot["task_id"] for snapshot in snapshots] == [str(run_id)] * 2
    assert by_run == by_session
    assert by_run[-1]["type"] == "completed"
    assert code == same_code == 1000


async def test_a_run_without_a_session_is_streamed_on_the_channel_of_its_start(
    live_api: LiveApi,
) -> None:
    api = live_api.api
    started = await api.client.post("/api/cleanup.audit_logs/start", headers=api.as_admin)
    run_id = started.json()["task_id"]

    async with open_run(live_api, run_id, token=api.admin_token) as stream:
        snapshot = await next_message(stream)
        await publish_progress(
            api.runtime.publisher,
            session_id=None,
            task_id=UUID(run_id),
            task_type="cleanup.audit_logs",
            percentage=40,
            stage="Deleting",
        )
        progress = await next_message(stream)
        await drain(api.runtime)
        rest, code = await to_the_end(stream)

    assert started.json()["progress_channel"] == f"progress:{run_id}:cleanup.audit_logs"
    assert (snapshot["status"], snapshot["session_id"]) == ("processing", None)
    assert progress["current_stage"] == "Deleting"
    assert rest[-1]["type"] == "completed"
    assert code == 1000


async def test_a_stream_of_one_run_leaves_the_messages_of_others_out(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)

    async with open_run(live_api, run_id) as stream:
        await next_message(stream)
        for number, task_id in enumerate((uuid4(), run_id)):
            await publish_progress(
                live_api.api.runtime.publisher,
                session_id=UUID(session_id),
                task_id=task_id,
                task_type="processing",
                percentage=number,
                stage="Writing",
            )
        message = await next_message(stream)

    assert message["task_id"] == str(run_id)


async def test_a_run_that_ended_before_a_newer_one_began_is_streamed_with_its_own_ending(
    live_api: LiveApi,
) -> None:
    session_id, run_id = await start_run(live_api)
    await live_api.api.client.post(f"/api/processing/cancel/{session_id}")
    await live_api.api.client.post(f"/api/processing/start/{session_id}")

    async with open_run(live_api, run_id) as stream:
        messages, code = await to_the_end(stream)

    assert [message["type"] for message in messages] == ["snapshot", "cancelled"]
    assert {message["task_id"] for message in messages} == {str(run_id)}
    assert code == 1000


async def test_a_cancelled_run_ends_its_streams(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)

    async with open_stream(live_api, session_id) as one, open_run(live_api, run_id) as other:
        await next_message(one)
        await next_message(other)
        await live_api.api.client.post(f"/api/runs/{run_id}/cancel")
        endings = [await to_the_end(one), await to_the_end(other)]

    for messages, code in endings:
        assert [message["type"] for message in messages] == ["cancelled"]
        assert messages[0]["status"] == "cancelled"
        assert code == 1000


async def test_a_stream_says_why_a_run_does_not_move_whenever_it_was_parked(
    live_api: LiveApi,
) -> None:
    session_id, run_id = await start_run(live_api)
    runtime = live_api.api.runtime
    reason = {"code": "not_served", "message": "No worker is running; start one."}

    async with open_stream(live_api, session_id) as early:
        before = await next_message(early)
        await change_run(runtime, run_id, state=RunState.PARKED, parked=reason)
        told = await next_message(early)
        async with open_run(live_api, run_id) as late:
            seen = await next_message(late)
        await live_api.api.client.post(f"/api/runs/{run_id}/resume", headers=live_api.api.as_admin)
        resumed = await next_message(early)

    assert before["current_stage"] is None
    for snapshot in (told, seen):
        assert (snapshot["type"], snapshot["status"]) == ("snapshot", "processing")
        assert snapshot["current_stage"] == "No worker is running; start one."
        assert snapshot["details"]["parked"] == reason
    assert resumed["current_stage"] is None


@pytest.mark.parametrize("who", ["foreign", "of the system", "unknown"])
async def test_a_run_that_is_not_the_callers_is_closed_with_the_reason(
    live_api: LiveApi, who: str
) -> None:
    api = live_api.api
    _, of_session = await start_run(live_api)
    of_system = await api.client.post("/api/cleanup.audit_logs/start", headers=api.as_admin)
    target: dict[str, object] = {
        "foreign": of_session,
        "of the system": of_system.json()["task_id"],
        "unknown": uuid4(),
    }

    async with open_run(live_api, target[who], token=api.other_token) as stream:
        messages, code = await to_the_end(stream)

    assert messages == []
    assert code == (4404 if who == "unknown" else 4403)


async def test_a_pass_opens_the_stream_of_a_run_and_of_no_other(live_api: LiveApi) -> None:
    api = live_api.api
    started = await api.client.post("/api/cleanup.audit_logs/start", headers=api.as_admin)
    made = await api.client.post(
        "/api/stream-passes", json={"task_id": started.json()["task_id"]}, headers=api.as_admin
    )
    address = made.json()["url"].replace("testserver", live_api.host)

    async with connect(address) as stream:
        snapshot = await next_message(stream)
    _, other = await start_run(live_api)
    for elsewhere in (other, uuid4()):
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(address.replace(started.json()["task_id"], str(elsewhere))):
                pass
        assert refusal.value.response.status_code == 401

    assert made.json()["channel"] == started.json()["progress_channel"]
    assert snapshot["task_id"] == started.json()["task_id"]


async def test_a_stream_of_a_deleted_run_is_closed(live_api: LiveApi) -> None:
    _, run_id = await start_run(live_api)

    async with open_run(live_api, run_id) as stream:
        await next_message(stream)
        async with live_api.api.runtime.engine.begin() as connection:
            await connection.execute(text("DELETE FROM session_tasks"))
        _, code = await to_the_end(stream)

    assert code == 4404
