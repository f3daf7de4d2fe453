"""The main job through the API and the real runner: sheets in, validated files out."""

from __future__ import annotations

import io
import json
import zipfile
from uuid import UUID

import pytest

from tests.plugins import journeys
from ticketgen.sample import sample_files
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def test_the_sample_becomes_validated_and_exported_tickets(api: Api) -> None:
    session_id = await start_session(api, sample_files())
    await journeys.accept_errors(api, session_id)

    generated = await journeys.do(api, "processing", session_id)
    validated = await journeys.do(api, "adf_validation", session_id)
    exported = await journeys.do(api, "export", session_id)

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
