from __future__ import annotations

from uuid import UUID

import pytest

from tests.core.api.by_hand import execute, fail, queued_run, sent_elsewhere
from tests.core.api.expecting import count_rows, generated_session, ready_for_export, refused
from ticketgen.domain import effects
from ticketgen.testing import Api, drain, start_session

pytestmark = pytest.mark.services

_OF_SESSIONS = (
    "sessions",
    "uploads",
    "tickets",
    "validations",
    "ticket_validations",
    "session_tasks",
    "session_errors",
)


async def _at_work(api: Api, session_id: str) -> str:
    """A generation in the hands of a worker that does not hear of anything."""
    run_id = await queued_run(api, session_id)
    await execute(
        api, "UPDATE session_tasks SET state = 'running', attempt = 1 WHERE id = :id", id=run_id
    )
    return run_id


async def test_cancelling_a_session_ends_what_waits_and_asks_what_is_at_work(api: Api) -> None:
    session_id = await generated_session(api)
    validation = (await api.client.post(f"/api/adf_validation/start/{session_id}")).json()
    running = await _at_work(api, session_id)

    answer = await api.client.post(f"/api/sessions/{session_id}/cancel")

    stopped = answer.json()
    assert answer.status_code == 202
    assert [run["task_id"] for run in stopped["cancelled"]] == [validation["task_id"]]
    assert [run["task_id"] for run in stopped["stopping"]] == [running]
    assert stopped["stopping"][0]["cancel_requested_at"] is not None


async def test_cancelling_where_nothing_is_at_work_is_no_error(api: Api) -> None:
    session_id = await start_session(api)

    answer = await api.client.post(f"/api/sessions/{session_id}/cancel")

    assert answer.status_code == 202
    assert answer.json() == {"session_id": session_id, "cancelled": [], "stopping": []}


async def test_a_deleted_session_leaves_nothing_but_what_was_done_elsewhere(api: Api) -> None:
    session_id = await ready_for_export(api)
    await fail(api, session_id, "It stopped.")
    await sent_elsewhere(api, session_id, "a-ticket")

    answer = await api.client.delete(f"/api/sessions/{session_id}")

    told = answer.json()
    assert answer.status_code == 200
    assert told["deleted"] is True
    assert told["counts"]["tickets"] == 2
    assert any("ledger" in remark for remark in told["remarks"])
    for table in _OF_SESSIONS:
        assert await count_rows(api, table) == 0
    async with api.runtime.session_factory() as db:
        [effect] = await effects.list_effects(db, limit=10)
    assert (effect.key, effect.session_id) == ("a-ticket", None)
    assert await count_rows(api, "audit_log WHERE action = 'session.deleted'") == 1
    refused(await api.client.get(f"/api/sessions/{session_id}"), 404)


async def test_an_expired_session_leaves_what_was_done_elsewhere_as_well(api: Api) -> None:
    session_id = await start_session(api)
    await sent_elsewhere(api, session_id, "a-ticket")
    await execute(api, "UPDATE sessions SET updated_at = now() - interval '8 days'")

    await api.client.post("/api/cleanup.expired_sessions/start", headers=api.as_admin)
    await drain(api.runtime)

    assert await count_rows(api, "sessions") == 0
    assert await count_rows(api, "effects WHERE session_id IS NULL") == 1


async def test_a_session_at_work_is_deleted_only_when_it_has_stopped(api: Api) -> None:
    session_id = await generated_session(api)
    run_id = await _at_work(api, session_id)

    plain = await api.client.delete(f"/api/sessions/{session_id}")
    asked = await api.client.delete(f"/api/sessions/{session_id}", params={"cancel": True})

    assert "processing" in refused(plain, 409, "task_conflict")["message"]
    assert asked.status_code == 202
    assert asked.json()["deleted"] is False
    assert [run["task_id"] for run in asked.json()["stopping"]] == [run_id]
    assert "again" in asked.json()["remarks"][0]
    assert await count_rows(api, "tickets") == 2

    await execute(api, "UPDATE session_tasks SET state = 'cancelled', finished_at = now()")
    again = await api.client.delete(f"/api/sessions/{session_id}")

    assert again.json()["deleted"] is True


async def test_a_session_whose_runs_only_waited_is_deleted_at_once(api: Api) -> None:
    session_id = await generated_session(api)
    run_id = await queued_run(api, session_id)

    answer = await api.client.delete(f"/api/sessions/{session_id}", params={"cancel": True})

    assert answer.status_code == 200
    assert [run["task_id"] for run in answer.json()["cancelled"]] == [run_id]
    assert await count_rows(api, "sessions") == 0


async def test_only_owners_and_administrators_delete(api: Api) -> None:
    session_id = await start_session(api)

    refused(await api.client.delete(f"/api/sessions/{session_id}", headers=api.as_other), 403)
    by_admin = await api.client.delete(f"/api/sessions/{session_id}", headers=api.as_admin)

    assert UUID(by_admin.json()["session_id"]) == UUID(session_id)
