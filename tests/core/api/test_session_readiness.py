from __future__ import annotations

from typing import Any

import pytest

from tests.core.api.by_hand import execute, put_stage
from tests.core.api.expecting import (
    BUNDLES,
    generated_session,
    ready_for_export,
    tickets_of,
    validated,
)
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services

_GATE = """
from ticketgen import Blocker, Plugin, hookimpl

@hookimpl
def ticketgen_plugin():
    return Plugin(name="acme", summary="Closes a gate.")

@hookimpl
async def ticketgen_export_blockers(session):
    if session.name == "Pier":
        return [Blocker(code="acme.closed", message="Closed.", recovery_actions=("Open it.",))]
    if session.name == "Wreck":
        raise RuntimeError("broken")
    return []
"""


@pytest.fixture(autouse=True)
def gate(install_plugin: Any) -> None:
    """A stranger's gate, closed for sessions of certain names."""
    install_plugin("acme", _GATE)


async def _readiness(api: Api, session_id: str) -> dict[str, Any]:
    answer = await api.client.get(f"/api/sessions/{session_id}/export-readiness")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _agreed(api: Api, session_id: str) -> list[tuple[str, str | None]]:
    """The reasons, once a start of an export has been found to see it the same way."""
    told = await _readiness(api, session_id)
    started = await api.client.post(f"/api/export/start/{session_id}")
    accepted = started.status_code == 202 and not started.json()["existing"]
    assert told["ready"] is accepted, (told, started.text)
    assert told["ready"] is not bool(told["reasons"])
    return [(reason["code"], reason["plugin"]) for reason in told["reasons"]]


async def test_a_session_on_its_way_is_ready_exactly_when_an_export_would_start(api: Api) -> None:
    session_id = await start_session(api)
    seen = {"empty": await _agreed(api, session_id)}
    await api.client.post(
        f"/api/sessions/{session_id}/uploads",
        files=[("files", ("Bundles.csv", BUNDLES, "text/csv"))],
    )
    seen["uploaded"] = await _agreed(api, session_id)

    missing = ("adf_validation.missing", "adf_validation")
    assert seen["empty"] == [("stage", None), ("no_tickets", None), missing]
    assert seen["uploaded"] == seen["empty"]


async def test_a_generated_session_is_ready_exactly_when_an_export_would_start(api: Api) -> None:
    session_id = await generated_session(api)
    seen = {"generated": await _agreed(api, session_id)}
    await validated(api, session_id)
    await execute(api, "UPDATE validations SET passed = false, failed_count = 1")
    seen["failed"] = await _agreed(api, session_id)
    ticket = (await tickets_of(api, session_id))[0]
    edited = await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{ticket['id']}", json={"revision": 1, "title": "X"}
    )
    seen["edited"] = await _agreed(api, session_id)
    await validated(api, session_id)
    for name in ("Pier", "Wreck"):
        await execute(api, "UPDATE sessions SET name = :name", name=name)
        seen[name] = await _agreed(api, session_id)
    await execute(api, "UPDATE sessions SET name = 'Harbour Museum'")
    seen["ready"] = await _agreed(api, session_id)
    seen["under way"] = await _agreed(api, session_id)
    await execute(api, "UPDATE session_tasks SET state = 'completed', finished_at = now()")
    await put_stage(api, session_id, "completed")
    seen["completed"] = await _agreed(api, session_id)

    assert edited.status_code == 200
    assert seen == {
        "generated": [("adf_validation.missing", "adf_validation")],
        "failed": [("adf_validation.failed", "adf_validation")],
        "edited": [("adf_validation.stale", "adf_validation")],
        "Pier": [("acme.closed", "acme")],
        "Wreck": [("gate_failed", "acme")],
        "ready": [],
        "under way": [("task_conflict", None)],
        "completed": [("stage", None)],
    }


async def test_another_task_on_the_tickets_is_in_the_way(api: Api) -> None:
    session_id = await ready_for_export(api)
    await api.client.post(f"/api/processing/start/{session_id}")
    await put_stage(api, session_id, "review")

    reasons = await _agreed(api, session_id)

    assert reasons == [("task_conflict", None)]


async def test_the_summary_counts_what_a_person_looks_at_before_an_export(api: Api) -> None:
    session_id = await ready_for_export(api)
    tickets = await tickets_of(api, session_id)
    await execute(
        api,
        "UPDATE tickets SET notes = '[\"Doubtful.\"]', description = repeat('x', 30001)"
        " WHERE id = :id",
        id=tickets[1]["id"],
    )
    await execute(
        api,
        "UPDATE ticket_validations SET findings ="
        ' \'[{"severity": "warning"}, {"severity": "warning"}, {"severity": "error"}]\''
        " WHERE ticket_id = :id",
        id=tickets[1]["id"],
    )
    await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{tickets[0]['id']}",
        json={"revision": 1, "title": "X"},
    )

    summary = (await _readiness(api, session_id))["summary"]

    assert summary.pop("validated_at") is not None
    assert summary == {
        "tickets": 2,
        "edited_tickets": 1,
        "edited_since_validation": 1,
        "oversize_tickets": 1,
        "tickets_with_notes": 1,
        "validation_passed": True,
        "failed_tickets": 0,
        "warnings": 2,
    }
