from __future__ import annotations

from uuid import uuid4

import pytest

from tests.core.api.expecting import generated_session, refused
from ticketgen.testing import Api, drain, start_session

pytestmark = pytest.mark.services


async def test_a_run_tells_where_it_stands_and_how_it_ended(api: Api) -> None:
    session_id = await generated_session(api)

    [listed] = (await api.client.get(f"/api/sessions/{session_id}/runs")).json()

    run = (await api.client.get(f"/api/runs/{listed['task_id']}")).json()
    assert run == listed
    assert run["status"] == run["state"] == "completed"
    assert run["attempt"] == run["tries"] == 1
    assert run["error"] is None


async def test_the_runs_of_a_session_come_newest_first(api: Api) -> None:
    session_id = await generated_session(api)
    await api.client.post(f"/api/adf_validation/start/{session_id}")

    runs = (await api.client.get(f"/api/sessions/{session_id}/runs")).json()

    assert [run["task_type"] for run in runs] == ["adf_validation", "processing"]


async def test_a_run_of_a_foreign_session_is_seen_by_administrators_only(api: Api) -> None:
    session_id = await generated_session(api)
    [run] = (await api.client.get(f"/api/sessions/{session_id}/runs")).json()
    address = f"/api/runs/{run['task_id']}"

    other = await api.client.get(address, headers=api.as_other)
    admin = await api.client.get(address, headers=api.as_admin)

    refused(other, 403, "permission_denied")
    assert admin.status_code == 200


async def test_a_run_of_the_system_is_seen_by_administrators_only(api: Api) -> None:
    started = await api.client.post("/api/cleanup.audit_logs/start", headers=api.as_admin)
    await drain(api.runtime)
    address = f"/api/runs/{started.json()['task_id']}"

    member = await api.client.get(address)
    admin = await api.client.get(address, headers=api.as_admin)

    refused(member, 403)
    assert admin.json()["status"] == "completed"


async def test_an_unknown_run_is_not_found(api: Api) -> None:
    await start_session(api)

    answer = await api.client.get(f"/api/runs/{uuid4()}")

    refused(answer, 404, "not_found")
