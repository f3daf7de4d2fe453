"""Whatever goes wrong between us and Jira, each ticket is there once, with its links and files."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.plugins import journeys
from tests.plugins.export.jira.place import (
    ATTACH,
    BULK,
    CREATE,
    LINK,
    PROJECT,
    Place,
    export,
    ready,
    settled,
    start,
)
from ticketgen.testing import Api
from ticketgen_export.jira_stub import FaultKind

pytestmark = pytest.mark.services

LONG = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(120))
NEVER_SHOWN = timedelta(hours=1)
NO_FAULTS_OF_WRITES = {FaultKind.PARTIAL, FaultKind.TAKEN_FOR_NOBODY}


@pytest.mark.parametrize("bulk", [1, 50], ids=["one by one", "by one call"])
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind not in NO_FAULTS_OF_WRITES])
async def test_a_fault_of_every_write_leaves_no_gap_and_no_double(
    api: Api, place: Place, kind: FaultKind, bulk: int
) -> None:
    session_id = await ready(api, place)
    [first, *_] = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description=LONG)
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    place.behave(index_lag=NEVER_SHOWN)
    slow = kind in {FaultKind.SLOW_BEFORE, FaultKind.SLOW_AFTER}
    # Longer than our patience with one answer where that is the fault, else soon.
    after = timedelta(seconds=2.3 if slow else 0.2)
    for on in (CREATE if bulk == 1 else BULK, ATTACH, LINK):
        place.fault(kind, on, 1, after=after)

    run = await export(api, session_id, bulk=bulk)

    assert run["status"] == "completed", run
    await exact(api, place, session_id, files=True)


async def test_of_a_call_for_several_those_that_failed_are_sent_by_themselves(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    place.behave(index_lag=NEVER_SHOWN)
    place.fault(FaultKind.PARTIAL, BULK, 1, elements=(0, 2))

    run = await export(api, session_id, bulk=50)

    assert run["status"] == "completed", run
    assert place.stub.requests[CREATE] == 2
    await exact(api, place, session_id)


@pytest.fixture
def lagging(clean_environment: pytest.MonkeyPatch) -> None:
    """A call is over long before the search shows what it did, and that is waited for."""
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_TIMEOUT", "0.7")
    clean_environment.setenv("TICKETGEN_EXPORT_JIRA_INDEX_LAG", "4")


@pytest.mark.parametrize("bulk", [1, 50], ids=["one by one", "by one call"])
async def test_the_first_issue_is_found_above_a_thousand_deleted_ones(
    place: Place, lagging: None, api: Api, bulk: int
) -> None:
    session_id = await ready(api, place)
    place.stub.site.projects[PROJECT].last_number = 1000
    place.behave(index_lag=timedelta(seconds=6))
    place.fault(FaultKind.DROP_AFTER, CREATE if bulk == 1 else BULK, 1)

    run = await export(api, session_id, bulk=bulk)

    assert run["status"] == "completed", run
    await exact(api, place, session_id)


async def test_a_storm_of_limits_is_waited_out_in_the_same_run(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.fault(FaultKind.TOO_MANY_REQUESTS, "*", 1, times=5, after=timedelta(seconds=0.05))

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert (run["status"], run["tries"]) == ("completed", 1)
    await exact(api, place, session_id)


async def test_a_session_that_goes_back_and_is_exported_again_creates_nothing(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await export(api, session_id)
    place.stub.log.clear()
    back = f"/api/sessions/{session_id}/rollback"
    impact = (await api.client.get(back, params={"to": "review"})).json()
    await api.client.post(back, json={"to": "review", "confirm": impact["confirm"]})
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]

    run = await export(api, session_id)

    assert run["status"] == "completed"
    assert not [asked for asked in place.stub.requests if asked.startswith("POST")]
    await exact(api, place, session_id)


async def exact(api: Api, place: Place, session_id: str, *, files: bool = False) -> None:
    """Issues are tickets, links are dependencies, files are there once."""
    tickets = await journeys.tickets(api, session_id)
    titles = [ticket["title"] for ticket in tickets]
    assert sorted(place.titles) == sorted(titles)
    topics, article, event = titles
    assert place.links == {(topics, article), (article, event)}
    assert len(place.stub.link_requests) == 2
    assert place.stub.pending == []
    attached = [len(issue.attachments) for issue in place.stub.issues]
    assert sum(attached) == int(files)
