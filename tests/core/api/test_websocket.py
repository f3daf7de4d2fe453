from __future__ import annotations

import asyncio
import json
import socket
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.core.api.expecting import BUNDLES, generated_session
from tests.core.api.streaming import next_message, open_stream, start_run, to_the_end
from ticketgen.embedded import EmbeddedServers
from ticketgen.progress import ProgressMessage, Publisher, publish_progress
from ticketgen.testing import LiveApi, drain, start_session

pytestmark = pytest.mark.services


async def _no_listeners(live: LiveApi) -> None:
    async with asyncio.timeout(60):
        while live.hub.listener_count:  # noqa: ASYNC110 - the count has no event
            await asyncio.sleep(0.01)


async def test_a_stream_begins_with_a_snapshot_and_ends_with_the_ending(
    live_api: LiveApi,
) -> None:
    session_id, run_id = await start_run(live_api)

    async with open_stream(live_api, session_id) as stream:
        snapshot = await next_message(stream)
        await drain(live_api.api.runtime)
        rest, code = await to_the_end(stream)

    assert snapshot["type"] == "snapshot"
    assert snapshot["status"] == "processing"
    assert snapshot["task_id"] == str(run_id)
    assert [message["type"] for message in rest][-1] == "completed"
    assert {message["type"] for message in rest[:-1]} <= {"progress"}
    assert rest[-1]["result_summary"]["tickets_generated"] == 2
    sequence = [message["sequence"] for message in rest]
    assert sequence == sorted(set(sequence))
    assert code == 1000


async def test_a_client_may_come_before_the_start(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api, {"Bundles.csv": BUNDLES})

    async with open_stream(live_api, session_id) as stream:
        snapshot = await next_message(stream)
        await live_api.api.client.post(f"/api/processing/start/{session_id}")
        await drain(live_api.api.runtime)
        rest, code = await to_the_end(stream)

    assert snapshot["status"] == "not_started"
    assert rest[-1]["type"] == "completed"
    assert code == 1000


async def test_a_client_of_a_finished_run_gets_its_ending_at_once(live_api: LiveApi) -> None:
    session_id = await generated_session(live_api.api)

    async with open_stream(live_api, session_id) as stream:
        messages, code = await to_the_end(stream)

    assert [message["type"] for message in messages] == ["snapshot", "completed"]
    assert code == 1000


async def test_progress_reaches_every_client(live_api: LiveApi) -> None:
    session_id, run_id = await start_run(live_api)

    async with open_stream(live_api, session_id) as one, open_stream(live_api, session_id) as other:
        await next_message(one)
        await next_message(other)
        await publish_progress(
            live_api.api.runtime.publisher,
            session_id=UUID(session_id),
            task_id=run_id,
            task_type="processing",
            percentage=40,
            stage="Writing",
        )
        seen = [await next_message(one), await next_message(other)]

    assert [message["progress_percentage"] for message in seen] == [40, 40]
    assert seen[0] == seen[1]


async def test_an_ending_whose_message_was_lost_arrives_all_the_same(
    live_api: LiveApi, servers: EmbeddedServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose(publisher: Publisher, message: ProgressMessage) -> bool:
        return False

    session_id, _ = await start_run(live_api)
    monkeypatch.setattr(Publisher, "publish", lose)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        await asyncio.to_thread(servers.kill_redis)
        await asyncio.to_thread(lambda: servers.start_redis(wipe=True))
        await drain(live_api.api.runtime)
        messages, code = await to_the_end(stream)

    assert messages[-1]["type"] == "completed"
    assert code == 1000


async def test_a_client_that_leaves_is_noticed_at_once(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        assert live_api.hub.listener_count == 1

    await _no_listeners(live_api)


async def test_a_client_that_vanishes_without_a_word_is_noticed_at_once(
    live_api: LiveApi,
) -> None:
    session_id = await start_session(live_api.api)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        stream.transport.abort()
        await _no_listeners(live_api)


async def test_what_a_client_sends_is_of_no_interest(live_api: LiveApi) -> None:
    session_id, _ = await start_run(live_api)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        for noise in ("{", "\x00", b"\xff\xfe", "x" * 100_000):
            await stream.send(noise)
        await drain(live_api.api.runtime)
        messages, code = await to_the_end(stream)

    assert messages[-1]["type"] == "completed"
    assert code == 1000


@pytest.mark.parametrize("who", ["foreign", "unknown"])
async def test_a_session_that_is_not_the_callers_is_closed_with_the_reason(
    live_api: LiveApi, who: str
) -> None:
    session_id = await start_session(live_api.api)
    target, token = (
        (session_id, live_api.api.other_token) if who == "foreign" else (str(uuid4()), None)
    )

    async with open_stream(live_api, target, token=token) as stream:
        messages, code = await to_the_end(stream)

    assert messages == []
    assert code == (4403 if who == "foreign" else 4404)


async def test_an_administrator_may_watch_every_session(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_stream(live_api, session_id, token=live_api.api.admin_token) as stream:
        assert (await next_message(stream))["status"] == "not_started"


_STRANGERS: list[tuple[dict[str, str], int]] = [
    ({}, 401),
    ({"Authorization": "Bearer tg_wrong"}, 401),
    ({"Authorization": "Basic eDp5"}, 401),
    ({"Origin": "https://elsewhere.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://["}, 403),
]


async def test_a_stranger_is_refused_before_the_stream_is_open(
    live_api: LiveApi, subtests: pytest.Subtests
) -> None:
    session_id = await start_session(live_api.api)

    for headers, status in _STRANGERS:
        with subtests.test(headers=headers):
            with pytest.raises(InvalidStatus) as refusal:
                async with connect(
                    live_api.stream_url(session_id, "processing"), additional_headers=headers
                ):
                    pass

            response = refusal.value.response
            assert response.status_code == status
            assert response.headers["content-type"] == "application/problem+json"
            assert json.loads(response.body)["recovery_actions"]
            assert live_api.hub.listener_count == 0


async def test_a_page_of_our_own_origin_may_open_a_stream(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)
    headers = {"Authorization": f"Bearer {live_api.api.token}", "Origin": live_api.url}

    async with connect(
        live_api.stream_url(session_id, "processing"), additional_headers=headers
    ) as stream:
        assert (await next_message(stream))["type"] == "snapshot"


async def test_a_pass_opens_its_stream_more_than_once_and_no_other(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)
    made = await live_api.api.client.post(
        "/api/stream-passes", json={"session_id": session_id, "task_type": "processing"}
    )
    address = made.json()["url"].replace("testserver", live_api.host)

    for _ in range(2):
        async with connect(address) as stream:
            assert (await next_message(stream))["type"] == "snapshot"
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(address.replace("/processing/", "/export/")):
            pass

    assert refusal.value.response.status_code == 401


async def test_a_stream_of_a_deleted_session_is_closed(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        async with live_api.api.runtime.engine.begin() as connection:
            await connection.execute(text("DELETE FROM sessions"))
        _, code = await to_the_end(stream)

    assert code == 4404


async def test_a_client_that_comes_back_gets_what_it_has_missed_and_nothing_twice(
    live_api: LiveApi,
) -> None:
    session_id, run_id = await start_run(live_api)
    address = live_api.stream_url(session_id, "processing")
    headers = {"Authorization": f"Bearer {live_api.api.token}"}

    async def say(percentage: float) -> None:
        await publish_progress(
            live_api.api.runtime.publisher,
            session_id=UUID(session_id),
            task_id=run_id,
            task_type="processing",
            percentage=percentage,
            stage="Writing",
        )

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        await say(10)
        seen = await next_message(stream)
    await say(20)
    position = f"{seen['epoch']}-{seen['sequence']}"
    async with connect(f"{address}?after={position}", additional_headers=headers) as stream:
        told = [await next_message(stream), await next_message(stream)]
        await say(30)
        told.append(await next_message(stream))
    async with connect(f"{address}?after=gone-1", additional_headers=headers) as stream:
        anew = [await next_message(stream), await next_message(stream)]

    assert [message["type"] for message in told] == ["snapshot", "progress", "progress"]
    assert [message["sequence"] for message in told] == [1, 2, 3]
    assert [message["type"] for message in anew] == ["resync", "snapshot"]
    assert anew[1]["sequence"] == 3


async def test_a_position_that_is_none_is_refused_before_the_stream_is_open(
    live_api: LiveApi,
) -> None:
    session_id = await start_session(live_api.api)

    with pytest.raises(InvalidStatus) as refusal:
        async with connect(
            f"{live_api.stream_url(session_id, 'processing')}?after=nonsense",
            additional_headers={"Authorization": f"Bearer {live_api.api.token}"},
        ):
            pass

    assert refusal.value.response.status_code == 422
    assert json.loads(refusal.value.response.body)["code"] == "invalid_input"


async def test_a_reader_that_stalls_is_closed_and_holds_up_nobody(
    live_api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ticketgen.streams.watch._HANGING_SECONDS", 0.5)
    session_id, run_id = await start_run(live_api)
    async with (
        open_stream(live_api, session_id) as quick,
        open_stream(live_api, session_id) as slow,
    ):
        await next_message(quick)
        await next_message(slow)
        slow.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096
        )
        slow.transport.pause_reading()
        percentages = []
        # Until the kernel's buffers and the server's own are full, and beyond.
        for number in range(1_500):
            await publish_progress(
                live_api.api.runtime.publisher,
                session_id=UUID(session_id),
                task_id=run_id,
                task_type="processing",
                percentage=number / 15,
                stage="Writing",
                details={"text": "x" * 12_000},
            )
            percentages.append((await next_message(quick))["progress_percentage"])
            if live_api.hub.listener_count == 1:
                break
        slow.transport.resume_reading()
        told, code = await to_the_end(slow)

    assert percentages == [pytest.approx(number / 15) for number in range(len(percentages))]
    assert live_api.streams.tally.overflows == 1
    assert len(told) < len(percentages)
    assert code in {1013, None}


async def test_a_server_that_stops_does_not_wait_for_its_streams(live_api: LiveApi) -> None:
    session_id = await start_session(live_api.api)

    async with open_stream(live_api, session_id) as stream:
        await next_message(stream)
        live_api.server.should_exit = True
        _, code = await to_the_end(stream)
        await _no_listeners(live_api)

    assert code == 1012
