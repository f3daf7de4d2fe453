from __future__ import annotations

import pytest

from ticketgen.testing import Api

pytestmark = pytest.mark.services


async def test_every_plugin_is_listed_with_what_it_adds(api: Api) -> None:
    listed = (await api.client.get("/api/plugins")).json()

    plugins = {plugin["name"]: plugin for plugin in listed}
    assert {"adf_validation", "cleanup", "export", "processing"} <= plugins.keys()
    processing = plugins["processing"]
    assert processing["status"] == "active"
    assert processing["distribution"] == "ticketgen-processing"
    assert processing["tasks"] == ["processing", "processing.check", "processing.regenerate"]
    assert "progress:{session_id}:processing" in processing["channels"]
    assert "POST /api/processing/generate-tickets/{session_id}" in processing["routes"]
    assert "Writer template" in processing["provides"]
    assert processing["problems"] == []


async def test_the_schedules_of_a_plugin_are_listed_with_their_zone(api: Api) -> None:
    listed = (await api.client.get("/api/plugins")).json()

    cleanup = next(plugin for plugin in listed if plugin["name"] == "cleanup")
    assert "expired_sessions: 0 8 * * * UTC" in cleanup["schedules"]
