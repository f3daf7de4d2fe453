"""What a person sees of an export: where every ticket is, and what is to be mended."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from tests.plugins import journeys
from tests.plugins.export.jira.place import (
    CREATE,
    PROJECT,
    Place,
    export,
    ready,
    start,
)
from ticketgen.testing import Api, drain
from ticketgen_export.jira_stub import Exchange, FaultKind

pytestmark = pytest.mark.services

FETCH = "POST /rest/api/3/issue/bulkfetch"
EVIL = "<script>alert(1)</script>"


async def test_results_show_key_and_address_of_every_ticket(api: Api, place: Place) -> None:
    session_id = await ready(api, place)

    await export(api, session_id)

    results = (await api.client.get(f"/api/export/results/{session_id}")).json()
    assert (results["target"], results["done"], results["total"]) == ("jira", 3, 3)
    assert results["place"].endswith(f"/{PROJECT}")
    assert [one["url"] for one in results["tickets"]] == [
        f"{place.url}/browse/{PROJECT}-{number}" for number in (1, 2, 3)
    ]
    assert all(one["state"] == "done" and one["sent_at"] for one in results["tickets"])


async def test_an_export_that_stopped_shows_how_far_it_came(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.fault(FaultKind.TOO_MANY_REQUESTS, CREATE, 2, times=50, after=timedelta(hours=2))

    await drain(api.runtime)

    results = (await api.client.get(f"/api/export/results/{session_id}")).json()
    assert [one["state"] for one in results["tickets"]] == ["done", "not_sent", "not_sent"]


@pytest.fixture
def impatient(clean_environment: pytest.MonkeyPatch) -> None:
    """Each try is a run's own."""
    clean_environment.setenv("TICKETGEN_EXPORT_PATIENCE", "0")


async def test_a_call_without_an_answer_is_shown_as_not_known(
    impatient: None, api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.fault(FaultKind.DROP_AFTER, CREATE, 2)
    place.fault(FaultKind.UNAVAILABLE, "GET /rest/api/3/search/jql", 2, times=500)
    await drain(api.runtime)

    results = (await api.client.get(f"/api/export/results/{session_id}")).json()

    assert results["tickets"][0]["state"] == "done"
    assert results["tickets"][1]["state"] in {"unknown", "under_way"}
    assert results["tickets"][2]["state"] == "not_sent"


async def test_results_are_there_as_a_sheet_and_as_a_page(api: Api, place: Place) -> None:
    session_id = await _with_hostile_words(api, place)
    await export(api, session_id)

    sheet = await api.client.get(f"/api/export/results/{session_id}/csv")
    page = await api.client.get(f"/api/export/results/{session_id}/page")

    rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert [row["reference"] for row in rows] == ["HM-1", "HM-2", "HM-3"]
    assert rows[0]["title"] == f"'=1+1 {EVIL}"
    assert "nobody who can be assigned" in rows[0]["manual_fixes"]
    assert EVIL not in page.text
    assert f'href="{place.url}/browse/HM-1"' in page.text
    assert "3 there. 1 need a person" in page.text
    files = await journeys.exported(api, session_id)
    assert files["results.html"].decode() == page.text
    assert files["results.csv"] == sheet.content


async def test_a_link_that_cannot_be_drawn_is_listed_with_its_ticket(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)

    def delete_the_first(exchange: Exchange) -> None:
        if exchange.record.template == FETCH:
            place.stub.site.delete(place.stub.issues[0])

    place.stub.log.observers.append(delete_the_first)

    run = await export(api, session_id, bulk=50)

    assert run["status"] == "completed", run
    to_mend = await api.client.get(f"/api/export/results/{session_id}", params={"to_mend": True})
    assert [one["reference"] for one in to_mend.json()["tickets"]] == ["HM-2"]
    assert "HM-1 has to be linked to HM-2 by hand" in str(run["result_summary"]["manual_fixes"])


async def test_what_is_known_of_the_project_is_believed_for_a_while(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    path = f"/api/export/jira/{session_id}"

    first = (await api.client.get(path)).json()
    place.stub.add_sprint(PROJECT, "Sprint 9")
    again = (await api.client.get(path)).json()
    anew = (await api.client.get(path, params={"refresh": True})).json()

    assert first["issue_types"]
    assert again == first
    assert anew["sprints"] == ["Sprint 9"]
    assert anew["read_at"] > first["read_at"]


async def test_before_anything_was_sent_there_are_no_results(api: Api, place: Place) -> None:
    session_id = await ready(api, place)

    for form in ("", "/csv", "/page"):
        answer = await api.client.get(f"/api/export/results/{session_id}{form}")
        assert answer.status_code == 404
        assert "Nothing of the session has been exported" in answer.text


async def test_results_are_for_the_owner_only(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    await export(api, session_id)
    other = {"Authorization": f"Bearer {api.other_token}"}

    for path in (f"results/{session_id}", f"results/{session_id}/page", f"jira/{session_id}"):
        assert (await api.client.get(f"/api/export/{path}", headers=other)).status_code == 403


async def _with_hostile_words(api: Api, place: Place) -> str:
    session_id = await ready(api, place)
    [first, *_] = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, title=f"=1+1 {EVIL}", assignee=EVIL)
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    return session_id
