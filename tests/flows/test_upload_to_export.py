"""The main job through the API and the real runner: sheets in, validated files out."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import UUID

import pytest

from ticketgen.sample import sample_files
from ticketgen.testing import Api, drain, start_session

pytestmark = pytest.mark.services


async def _do(api: Api, task: str, session_id: str) -> dict[str, object]:
    started = await api.client.post(f"/api/{task}/start/{session_id}")
    assert started.status_code == 202, started.text
    await drain(api.runtime)
    status = (await api.client.get(f"/api/{task}/status/{session_id}")).json()
    assert status["status"] == "completed", status
    summary: dict[str, object] = status["run"]["result_summary"]
    assert status["run"]["task_id"] == started.json()["task_id"]
    return summary


async def test_the_sample_becomes_validated_and_exported_tickets(api: Api) -> None:
    session_id = await start_session(api, sample_files())

    generated = await _do(api, "processing", session_id)
    validated = await _do(api, "adf_validation", session_id)
    exported = await _do(api, "export", session_id)

    listed = (await api.client.get(f"/api/sessions/{session_id}/tickets")).json()
    archive = await api.client.get(f"/api/export/download/{session_id}")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        lines = files.read("tickets.jsonl").decode().splitlines()
        names = files.namelist()
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert generated["tickets_generated"] == len(listed["tickets"]) == len(lines)
    assert validated["passed"] is True
    assert validated["tickets_checked"] == exported["tickets_exported"] == len(lines)
    assert sum(name.startswith("adf/") for name in names) == len(lines)
    assert [UUID(json.loads(line)["id"]) for line in lines] == [
        UUID(ticket["id"]) for ticket in listed["tickets"]
    ]
    assert session["stage"] == "completed"
