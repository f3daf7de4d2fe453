"""Several people at once: their sessions do not mix, and everybody hears of the end."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
import websockets

from tests.plugins import journeys
from ticketgen.testing import Api, LiveApi, drain, run_to_end, start_session

pytestmark = pytest.mark.services

CLIENTS = 10


async def test_two_sessions_generated_at_once_get_their_own_tickets(api: Api) -> None:
    mine = await start_session(api, journeys.SHEETS)
    sheet = b"Name,Machine name,Type\nTheirs,theirs,Vocabulary\n"
    began = await api.client.post("/api/sessions", json={"name": "Other"}, headers=api.as_other)
    theirs = began.json()["id"]
    await api.client.post(
        f"/api/sessions/{theirs}/uploads",
        files=[("files", ("Bundles.csv", sheet, "text/csv"))],
        headers=api.as_other,
    )
    started = [
        await api.client.post(f"/api/processing/start/{session_id}", headers=headers)
        for session_id, headers in ((mine, api.bearing(api.token)), (theirs, api.as_other))
    ]

    ended = await asyncio.gather(
        *(run_to_end(api.runtime, UUID(answer.json()["task_id"])) for answer in started)
    )

    listed = await api.client.get(f"/api/sessions/{theirs}/tickets", headers=api.as_other)
    refused = await api.client.get(f"/api/sessions/{theirs}/tickets")
    assert [run.status for run in ended] == ["completed", "completed"]
    assert [ticket["title"] for ticket in listed.json()["tickets"]] == [
        "Vocabulary: Theirs (theirs)"
    ]
    assert len(await journeys.tickets(api, mine)) == 3
    assert refused.status_code == 403


async def test_ten_clients_of_one_run_all_get_its_end(live_api: LiveApi) -> None:
    api = live_api.api
    session_id = await start_session(api, journeys.SHEETS)
    address = live_api.stream_url(session_id, "processing")
    watching = asyncio.Semaphore(0)

    async def watch() -> list[dict[str, Any]]:
        headers = api.bearing(api.token)
        async with websockets.connect(address, additional_headers=headers) as stream:
            messages = [json.loads(await stream.recv())]
            watching.release()
            messages += [json.loads(raw) async for raw in stream]
        return messages

    clients = [asyncio.create_task(watch()) for _ in range(CLIENTS)]
    for _ in range(CLIENTS):
        await watching.acquire()
    started = await journeys.start(api, "processing", session_id)
    await drain(api.runtime)
    seen = await asyncio.gather(*clients)

    assert [messages[-1]["type"] for messages in seen] == ["completed"] * CLIENTS
    assert {messages[-1]["task_id"] for messages in seen} == {started.json()["task_id"]}
    for messages in seen:
        assert messages[-1]["result_summary"]["tickets_generated"] == 3
        assert [message["type"] for message in messages].count("completed") == 1
