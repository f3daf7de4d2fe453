from __future__ import annotations

import asyncio

import httpx2
import pytest

from tests.core.api.expecting import refused
from ticketgen.embedded import EmbeddedServers
from ticketgen.testing import Api, LiveApi

pytestmark = pytest.mark.services

NOBODY = {"Authorization": ""}


async def test_liveness_needs_no_token_and_tells_nothing_else(api: Api) -> None:
    answer = await api.client.get("/health/live", headers=NOBODY)

    assert answer.status_code == 200
    assert answer.json() == {"status": "alive"}


async def test_without_a_worker_the_worker_is_unhealthy_and_readiness_says_so(api: Api) -> None:
    health = (await api.client.get("/health")).json()
    ready = (await api.client.get("/health/ready")).json()

    assert health["api"] == "healthy"
    assert health["worker"] == "unhealthy"
    assert health["workers"] == []
    workers = next(check for check in ready["checks"] if check["name"] == "workers")
    assert workers["ok"] is False
    assert "ticketgen-worker" in workers["message"]


async def test_readiness_names_everything_it_looks_at(api: Api) -> None:
    ready = (await api.client.get("/health/ready")).json()

    names = [check["name"] for check in ready["checks"]]
    assert names[:4] == ["database", "schema", "redis", "workers"]
    assert {"database", "schema", "redis"} <= {c["name"] for c in ready["checks"] if c["ok"]}


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic eDp5"])
async def test_readiness_needs_a_token(api: Api, authorization: str) -> None:
    answer = await api.client.get("/health/ready", headers={"Authorization": authorization})

    refused(answer, 401, "authentication")


async def test_without_postgres_requests_end_as_temporary(
    api: Api, servers: EmbeddedServers
) -> None:
    await asyncio.to_thread(servers.stop_postgres)
    try:
        asked = await api.client.get("/api/sessions")
        written = await api.client.post("/api/sessions", json={"name": "Museum"})
        live = await api.client.get("/health/live")
        ready = await api.client.get("/health/ready", headers=NOBODY)
    finally:
        await asyncio.to_thread(servers.start_postgres)

    for answer in (asked, written):
        assert refused(answer, 503, "database_unavailable")["category"] == "temporary"
    assert live.status_code == 200
    assert ready.status_code == 503
    checks = {check["name"]: check for check in ready.json()["checks"]}
    assert checks["database"]["ok"] is False
    assert checks["redis"]["ok"] is True
    assert "/" not in checks["database"]["message"]
    assert (await api.client.get("/api/sessions")).status_code == 200


async def test_a_process_that_hears_nothing_is_not_ready_and_says_why(
    live_api: LiveApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with httpx2.AsyncClient(
        base_url=live_api.url, headers=Api.bearing(live_api.api.token), timeout=60
    ) as client:
        well = await client.get("/health/ready")
        monkeypatch.setattr(type(live_api.hub), "trouble", "It is deaf.")
        deaf = await client.get("/health/ready")
        monkeypatch.undo()
        live_api.streams.stop()
        stopping = await client.get("/health/ready")

    def failed(answer: httpx2.Response) -> dict[str, str]:
        checks = answer.json()["checks"]
        names = {"progress", "process"}
        return {c["name"]: c["message"] for c in checks if c["name"] in names and not c["ok"]}

    assert (well.status_code, failed(well)) == (200, {})
    assert (deaf.status_code, failed(deaf)) == (503, {"progress": "It is deaf."})
    assert (stopping.status_code, list(failed(stopping))) == (503, ["process"])
