from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.core.api.expecting import count_rows, refused
from ticketgen.domain import tokens
from ticketgen.errors import AuthenticationError
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def _ask(api: Api, session_id: object, task_type: str, **options: Any) -> Any:
    return await api.client.post(
        "/api/stream-passes",
        json={"session_id": str(session_id), "task_type": task_type},
        **options,
    )


async def test_a_pass_comes_as_the_address_of_its_stream(api: Api) -> None:
    session_id = await start_session(api)

    answer = await _ask(api, session_id, "processing")

    stream_pass = answer.json()
    address = urlsplit(stream_pass["url"])
    assert answer.status_code == 201
    assert address.scheme == "ws"
    assert address.path == f"/api/processing/progress/{session_id}"
    assert stream_pass["channel"] == f"progress:{session_id}:processing"


async def test_a_pass_opens_its_channel_only(api: Api) -> None:
    session_id = await start_session(api)
    made = (await _ask(api, session_id, "processing")).json()
    secret = parse_qs(urlsplit(made["url"]).query)["pass"][0]

    async with api.runtime.session_factory() as db:
        user = await tokens.open_stream_pass(db, secret=secret, channel=made["channel"])
        with pytest.raises(AuthenticationError):
            await tokens.open_stream_pass(
                db, secret=secret, channel=f"progress:{session_id}:export"
            )

    assert user.name == "mia"


_NO_STREAMS = [
    ("nothing", 404),
    ("", 404),
    ("a\x00b", 404),
    ("../x", 404),
    ("x" * 101, 422),
    ("cleanup.audit_logs", 422),
]


async def test_a_stream_that_does_not_exist_gets_no_pass(
    api: Api, subtests: pytest.Subtests
) -> None:
    session_id = await start_session(api)

    for task_type, status in _NO_STREAMS:
        with subtests.test(task_type=task_type[:60]):
            answer = await _ask(api, session_id, task_type)

            refused(answer, status)
            assert await count_rows(api, "stream_passes") == 0


async def test_a_foreign_session_gets_no_pass(api: Api) -> None:
    session_id = await start_session(api)

    foreign = await _ask(api, session_id, "processing", headers=api.as_other)
    unknown = await _ask(api, uuid4(), "processing")

    refused(foreign, 403)
    refused(unknown, 404)
    assert await count_rows(api, "stream_passes") == 0


async def test_a_pass_is_no_token(api: Api) -> None:
    session_id = await start_session(api)
    made = (await _ask(api, session_id, "processing")).json()
    secret = parse_qs(urlsplit(made["url"]).query)["pass"][0]

    by_header = await api.client.get("/api/auth/me", headers=Api.bearing(secret))
    by_query = await api.client.get(f"/api/auth/me?pass={secret}", headers={"Authorization": ""})

    refused(by_header, 401)
    refused(by_query, 401)


async def test_a_pass_for_a_run_comes_as_the_address_of_its_stream(api: Api) -> None:
    started = await api.client.post("/api/cleanup.audit_logs/start", headers=api.as_admin)
    run_id = started.json()["task_id"]

    made = await api.client.post(
        "/api/stream-passes", json={"task_id": run_id}, headers=api.as_admin
    )
    foreign = await api.client.post("/api/stream-passes", json={"task_id": run_id})
    unknown = await api.client.post("/api/stream-passes", json={"task_id": str(uuid4())})

    assert made.status_code == 201
    assert urlsplit(made.json()["url"]).path == f"/api/runs/{run_id}/progress"
    assert made.json()["channel"] == started.json()["progress_channel"]
    refused(foreign, 403, "permission_denied")
    refused(unknown, 404, "not_found")
    assert await count_rows(api, "stream_passes") == 1


@pytest.mark.parametrize("names", [(), ("session_id",), ("task_type",), ("task_id", "task_type")])
async def test_a_pass_has_to_be_for_one_stream(api: Api, names: tuple[str, ...]) -> None:
    wanted = {
        "session_id": str(uuid4()),
        "task_type": "processing",
        "task_id": str(uuid4()),
    }

    answer = await api.client.post(
        "/api/stream-passes", json={name: wanted[name] for name in names}
    )

    assert "task_id alone" in refused(answer, 422)["message"]
