from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.core.api.expecting import (
    BUNDLES,
    count_rows,
    generated_session,
    ready_for_export,
    refused,
)
from ticketgen.embedded import EmbeddedServers
from ticketgen.testing import Api, drain, start_session

pytestmark = pytest.mark.services


async def test_a_start_is_answered_with_the_run_and_its_channel(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})

    answer = await api.client.post(f"/api/processing/start/{session_id}")

    started = answer.json()
    assert answer.status_code == 202
    assert started["status"] == "processing"
    assert started["state"] == "queued"
    assert started["existing"] is False
    assert started["progress_channel"] == f"progress:{session_id}:processing"
    status = (await api.client.get(f"/api/processing/status/{session_id}")).json()
    assert status["status"] == "processing"
    assert status["run"]["task_id"] == started["task_id"]


async def test_a_task_that_never_ran_has_not_started(api: Api) -> None:
    session_id = await start_session(api)

    answer = await api.client.get(f"/api/export/status/{session_id}")

    assert answer.status_code == 200
    assert answer.json()["status"] == "not_started"
    assert answer.json()["run"] is None


async def test_a_completed_task_says_so_with_its_summary(api: Api) -> None:
    session_id = await generated_session(api)

    status = (await api.client.get(f"/api/processing/status/{session_id}")).json()

    assert status["status"] == "completed"
    assert status["run"]["progress_percentage"] == 100
    assert status["run"]["result_summary"]["tickets_generated"] == 2


async def test_a_start_without_files_is_refused(api: Api) -> None:
    session_id = await start_session(api)

    answer = await api.client.post(f"/api/processing/start/{session_id}")

    problem = refused(answer, answer.status_code)
    assert answer.status_code in {409, 422}
    assert problem["category"] == "user_fixable"
    assert await count_rows(api, "session_tasks") == 0


async def test_a_second_start_is_answered_with_the_first_run(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    first = (await api.client.post(f"/api/processing/start/{session_id}")).json()

    second = await api.client.post(f"/api/processing/start/{session_id}")

    assert second.status_code == 202
    assert second.json()["existing"] is True
    assert second.json()["task_id"] == first["task_id"]


async def test_of_twenty_starts_at_once_one_begins_a_run(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})

    answers = await asyncio.gather(
        *(
            api.client.post(address)
            for address in 10
            * (
                f"/api/processing/start/{session_id}",
                f"/api/processing/generate-tickets/{session_id}",
            )
        )
    )

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["task_id"] for answer in answers}) == 1
    assert sum(not answer.json()["existing"] for answer in answers) == 1
    assert await count_rows(api, "session_tasks") == 1


async def test_an_export_without_a_validation_is_refused(api: Api) -> None:
    session_id = await generated_session(api)

    by_core = await api.client.post(f"/api/export/start/{session_id}")
    by_plugin = await api.client.post(f"/api/export/session/{session_id}")

    for answer in (by_core, by_plugin):
        assert "validated" in refused(answer, 409)["message"]
    assert await count_rows(api, "session_tasks") == 1


async def test_an_export_waits_for_a_generation_at_work(api: Api) -> None:
    session_id = await ready_for_export(api)
    await api.client.post(f"/api/processing/start/{session_id}")

    answer = await api.client.post(f"/api/export/start/{session_id}")

    assert "processing" in refused(answer, 409, "task_conflict")["message"]


_UNREADABLE = [
    (b"{", "application/json"),
    (b"\xff\xfe", "application/json"),
    (b'"text"', "application/json"),
    (b"[]", "application/json"),
    (b'{"target": 7}', "application/json"),
    (b'{"options": {"a": "\\u0000"}}', "application/json"),
    (b'{"options": {"a": "\\ud800"}}', "application/json"),
    (b'{"target": "\\ud800"}', "application/json"),
    (b'{"target": "nowhere"}', "application/json"),
    (b"[" * 100_000, "application/json"),
    (b'{"options": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}", "application/json"),
    (b'{"options": {"a": ' + b"9" * 5_000 + b"}}", "application/json"),
    (b"target=file", "application/x-www-form-urlencoded"),
    (b"<export/>", "text/xml"),
]


async def test_a_body_that_cannot_be_read_never_becomes_a_fault_of_ours(
    api: Api, subtests: pytest.Subtests
) -> None:
    session_id = await ready_for_export(api)

    for body, content_type in _UNREADABLE:
        with subtests.test(body=body[:60], content_type=content_type):
            answer = await api.client.post(
                f"/api/export/start/{session_id}",
                content=body,
                headers={"Content-Type": content_type},
            )

            refused(answer, 422)
            assert await count_rows(api, "session_tasks") == 2


@pytest.mark.parametrize(
    "options", [b'{"\\ud800": 1}', b'{"a": NaN}', b'{"a": 1e999}'], ids=["name", "nan", "infinite"]
)
async def test_options_that_json_has_no_word_for_are_refused(api: Api, options: bytes) -> None:
    session_id = await ready_for_export(api)

    answer = await api.client.post(
        f"/api/export/start/{session_id}",
        content=b'{"options": ' + options + b"}",
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 422, answer.text


async def test_only_administrators_start_a_task_of_the_whole_system(api: Api) -> None:
    address = "/api/cleanup.expired_sessions/start"

    member = await api.client.post(address)
    admin = await api.client.post(address, headers=api.as_admin)

    refused(member, 403, "permission_denied")
    assert admin.status_code == 202
    assert admin.json()["session_id"] is None


@pytest.mark.parametrize("task", ["processing", "adf_validation", "export"])
async def test_a_task_of_an_unknown_session_is_not_found(api: Api, task: str) -> None:
    unknown = uuid4()

    started = await api.client.post(f"/api/{task}/start/{unknown}")
    asked = await api.client.get(f"/api/{task}/status/{unknown}")

    refused(started, 404, "not_found")
    refused(asked, 404, "not_found")


async def test_without_redis_a_start_is_accepted_stored_and_run_later(
    api: Api, servers: EmbeddedServers
) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    await asyncio.to_thread(servers.kill_redis)
    try:
        answer = await api.client.post(f"/api/processing/start/{session_id}")
        ready = await api.client.get("/health/ready")
    finally:
        await asyncio.to_thread(servers.start_redis)

    assert answer.status_code == 202, answer.text
    assert ready.status_code == 503
    checks: dict[str, Any] = {check["name"]: check for check in ready.json()["checks"]}
    assert checks["redis"]["ok"] is False
    assert checks["database"]["ok"] is True
    assert servers.redis_url.partition("@")[0] not in ready.text
    [run] = await drain(api.runtime)
    assert run.status == "completed"
