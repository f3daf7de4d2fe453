"""An export that works by OAuth: tokens that run out under it, scopes that are missing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.plugins import journeys
from tests.plugins.export.connections.place import Place, by_oauth, expire
from ticketgen.runtime import Runtime
from ticketgen.testing import Api, drain

pytestmark = pytest.mark.services


@pytest.fixture(autouse=True)
def unhurried(clean_environment: pytest.MonkeyPatch) -> None:
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_PACE", "0")
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_INDEX_LAG", "0")


async def _ready(api: Api) -> str:
    session_id = await journeys.generated(api, jira_project_key="HM")
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    return session_id


async def _export(api: Api, session_id: str, **options: Any) -> dict[str, Any]:
    started = await journeys.start(api, "export", session_id, target="jira", options=options)
    assert started.status_code == 202, started.text
    await drain(api.runtime)
    return await journeys.latest_run(api, "export", session_id)


async def test_tokens_that_run_out_in_the_middle_are_renewed(
    api: Api, place: Place, runtime: Runtime
) -> None:
    made = await by_oauth(api)
    session_id = await _ready(api)
    await expire(runtime, made)
    asked = 0

    def run_out(exchange: Any) -> None:
        nonlocal asked
        if exchange.record.template == "POST /rest/api/3/issue":
            asked += 1
            place.stub.oauth.expire_access_tokens()

    place.stub.log.observers.append(run_out)
    before = place.refreshes

    run = await _export(api, session_id, bulk=1)

    assert run["status"] == "completed", run
    assert len(place.stub.issues) == 3
    assert asked >= 3
    assert place.refreshes - before >= 3


async def test_a_scope_that_was_not_consented_to_is_said_before_the_start(
    api: Api, place: Place, runtime: Runtime
) -> None:
    made = await by_oauth(api)
    session_id = await _ready(api)
    in_an_hour = int(time.time()) + 3600
    await expire(runtime, made, scopes=["read:jira-work"], expires_at=in_an_hour)

    refused = await journeys.start(api, "export", session_id, target="jira")

    assert refused.status_code == 403
    assert "write:jira-work" in refused.text
    assert place.stub.issues == []


async def test_without_the_scopes_for_people_and_boards_both_are_left_to_a_person(
    api: Api, place: Place
) -> None:
    place.stub.add_account("ada@example.org", "unused", "Ada Lovelace")
    place.stub.add_sprint("HM", "Sprint 7")
    made = await by_oauth(api)
    [grant] = place.stub.oauth.grants
    grant.scopes = frozenset({"read:jira-work", "write:jira-work", "offline_access"})
    session_id = await journeys.generated(api, jira_project_key="HM")
    [first, *_] = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, assignee="ada@example.org", sprint="Sprint 7")
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]

    run = await _export(api, session_id)

    assert run["status"] == "completed", run
    fixes = " ".join(run["result_summary"]["manual_fixes"])
    assert "Assignee" in fixes
    assert "Sprint" in fixes
    kept = (await api.client.get(f"/api/export/connections/{made['id']}")).json()
    assert kept["lost_at"] is None
