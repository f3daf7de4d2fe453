"""A No that is not certain creates nothing: what a look-up may not take for the truth."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.plugins import journeys
from tests.plugins.export.jira.place import (
    CREATE,
    EMAIL,
    LINK,
    PROJECT,
    Place,
    connect,
    export,
    ready,
    settled,
    start,
)
from tests.plugins.export.jira.test_faults import exact
from ticketgen.provides import CompletedExport, ExportTarget, PreparedExport
from ticketgen.testing import Api
from ticketgen_export.jira.client import JiraClient
from ticketgen_export.jira_stub import Exchange, FaultKind
from ticketgen_export.stored import ExportResult

pytestmark = pytest.mark.services

SEARCH = "GET /rest/api/3/search/jql"
FETCH = "POST /rest/api/3/issue/bulkfetch"


async def test_a_token_that_ends_after_an_unanswered_call_makes_nobody_blind(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.fault(FaultKind.DROP_AFTER, CREATE, 2)
    renewed = secrets.token_urlsafe(24)

    def end_the_token(exchange: Exchange) -> None:
        if exchange.record.fault is FaultKind.DROP_AFTER:
            place.stub.add_account(EMAIL, renewed, "Mia Moor")
            for on in (SEARCH, FETCH):
                place.fault(FaultKind.TAKEN_FOR_NOBODY, on, 1, times=10_000)

    place.stub.log.observers.append(end_the_token)
    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "export.connection_lost")

    place.stub.clear_faults()
    place.token = renewed
    await connect(api, place)
    assert (await export(api, session_id, bulk=1))["status"] == "completed"
    await exact(api, place, session_id)


async def test_an_account_that_loses_its_sight_finds_nothing_and_creates_nothing(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.fault(FaultKind.DROP_AFTER, CREATE, 2)

    def blind(exchange: Exchange) -> None:
        if exchange.record.fault is FaultKind.DROP_AFTER:
            may = frozenset({"CREATE_ISSUES", "LINK_ISSUES"})
            place.stub.add_account(EMAIL, place.token, "Mia Moor", permissions=may)

    place.stub.log.observers.append(blind)
    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "failed"
    assert len(place.stub.issues) == 2

    place.stub.log.observers.clear()
    place.stub.add_account(EMAIL, place.token, "Mia Moor")
    assert (await export(api, session_id, bulk=1))["status"] == "completed"
    await exact(api, place, session_id)


async def test_an_element_of_a_bulk_call_that_failed_inside_jira_is_looked_for(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await ready(api, place)
    told = _telling_a_failure(monkeypatch, element=1)

    run = await export(api, session_id, bulk=50)

    assert run["status"] == "completed", run
    assert told == [1]
    await exact(api, place, session_id)


def _telling_a_failure(monkeypatch: pytest.MonkeyPatch, *, element: int) -> list[int]:
    """Let the first answer to a bulk call say that an element failed inside, which was created."""
    told: list[int] = []
    write = JiraClient.write

    async def written(self: JiraClient, path: str, what: str, **content: Any) -> Any:
        answer = await write(self, path, what, **content)
        if path.endswith("/bulk") and not told:
            told.append(element)
            del answer["issues"][element]
            answer["errors"] = [
                {"status": 500, "failedElementNumber": element, "elementErrors": {}}
            ]
        return answer

    monkeypatch.setattr(JiraClient, "write", written)
    return told


async def test_the_order_in_which_jira_names_created_issues_does_not_matter(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await ready(api, place)
    write = JiraClient.write

    async def reversed_(self: JiraClient, path: str, what: str, **content: Any) -> Any:
        answer = await write(self, path, what, **content)
        if path.endswith("/bulk"):
            answer["issues"].reverse()
        return answer

    monkeypatch.setattr(JiraClient, "write", reversed_)

    await export(api, session_id, bulk=50)

    await exact(api, place, session_id)
    results = (await api.client.get(f"/api/export/results/{session_id}")).json()["tickets"]
    for one in results:
        assert place.issue_of(one["title"]).key == one["reference"]


async def test_a_bulk_call_that_jira_refuses_as_a_whole_is_sent_one_by_one(
    api: Api, place: Place
) -> None:
    sprint = place.stub.add_sprint(PROJECT, "Sprint 7")
    session_id = await ready(api, place)
    for ticket in await journeys.tickets(api, session_id):
        await journeys.edit(api, session_id, ticket, sprint="Sprint 7")
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    await start(api, session_id, bulk=50)
    place.stub.site.projects[PROJECT].sprints.remove(sprint)

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "completed", run
    assert len(run["result_summary"]["manual_fixes"]) == 3
    await exact(api, place, session_id)


async def test_a_reference_to_another_project_says_nothing_of_this_one(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    place.behave(index_lag=timedelta(hours=1))
    place.fault(FaultKind.DROP_AFTER, CREATE, 2)
    await start(api, session_id, bulk=1)

    async def moved() -> None:
        async with api.runtime.session_factory() as db:
            await db.execute(update(ExportResult).values(reference="OPS-5000"))
            await db.commit()

    # As if a person had moved the first issue before the second was looked for.
    place.stub.log.observers.append(_once(CREATE, lambda: _later(moved)))
    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "completed", run
    assert len(place.stub.issues) == 3


def _once(on: str, act: Any) -> Any:
    seen: list[int] = []

    def observe(exchange: Exchange) -> None:
        if exchange.record.template == on:
            seen.append(1)
            if len(seen) == 2:
                act()

    return observe


def _later(work: Any) -> None:
    task = asyncio.get_running_loop().create_task(work())
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


_tasks: set[Any] = set()


async def test_one_limit_while_links_are_drawn_costs_no_try(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    place.fault(FaultKind.TOO_MANY_REQUESTS, LINK, 2, after=timedelta(seconds=0.05))

    run = await export(api, session_id)

    assert (run["status"], run["tries"]) == ("completed", 1)
    await exact(api, place, session_id)


def test_a_target_that_sends_several_has_to_find_them() -> None:
    async def anything(*_: Any) -> Any:
        return CompletedExport()

    with pytest.raises(ValueError, match="no `find`"):
        ExportTarget(name="t", summary="T.", send=anything, complete=anything, send_many=anything)


def test_a_place_that_could_not_be_stored_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 100 characters"):
        PreparedExport(options={}, place="x" * 101)


async def test_a_refused_ticket_stops_the_export_and_the_next_one_goes_on_there(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    field = place.stub.site.projects[PROJECT]
    field.required = frozenset({"priority"})

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "export.jira_refused")
    assert "Vocabulary: Topics" in str(run["error"])
    field.required = frozenset()
    assert (await export(api, session_id, bulk=1))["status"] == "completed"
    await exact(api, place, session_id)


async def test_results_are_those_of_the_last_run_and_each_export_keeps_its_own(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await export(api, session_id)
    await _back(api, session_id)
    await journeys.do(api, "export", session_id, target="file")
    by_files = (await api.client.get(f"/api/export/results/{session_id}")).json()
    await _back(api, session_id)
    await export(api, session_id)

    by_jira = (await api.client.get(f"/api/export/results/{session_id}")).json()
    files = await journeys.exported(api, session_id)

    assert (by_files["target"], by_jira["target"]) == ("file", "jira")
    assert b"HM-3" in files["results.csv"]
    await exact(api, place, session_id)


async def _back(api: Api, session_id: str) -> None:
    path = f"/api/sessions/{session_id}/rollback"
    impact = (await api.client.get(path, params={"to": "review"})).json()
    await api.client.post(path, json={"to": "review", "confirm": impact["confirm"]})
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]


async def test_a_project_can_be_looked_at_where_an_export_could_not_work(
    api: Api, place: Place
) -> None:
    place.stub.add_project("DE", issue_types=["Aufgabe"])
    session_id = await ready(api, place, project="DE")

    shown = await api.client.get(f"/api/export/jira/{session_id}")
    refused = await journeys.start(api, "export", session_id, target="jira")

    assert shown.json()["issue_types"] == ["Aufgabe"]
    assert (refused.status_code, "Aufgabe" in refused.text) == (422, True)
