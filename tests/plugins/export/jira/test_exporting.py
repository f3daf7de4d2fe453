"""An export to Jira: one issue for each ticket, linked, with what Jira does not take listed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins import journeys
from tests.plugins.export.jira.place import (
    ATTACH,
    BULK,
    CREATE,
    EMAIL,
    LINK,
    PROJECT,
    Place,
    export,
    ready,
    settled,
    start,
)
from ticketgen.testing import Api
from ticketgen_export.jira_stub import SPRINT_FIELD, ExtraField

pytestmark = pytest.mark.services


@pytest.mark.parametrize("bulk", [1, 50], ids=["one by one", "by one call"])
async def test_each_ticket_becomes_an_issue_in_order_of_work_with_links(
    api: Api, place: Place, bulk: int
) -> None:
    session_id = await ready(api, place)
    tickets = await journeys.tickets(api, session_id)

    run = await export(api, session_id, bulk=bulk)

    assert run["status"] == "completed", run
    assert run["result_summary"] == {
        "target": "jira",
        "tickets_exported": 3,
        "files": 2,
        "manual_fixes": [],
    }
    assert place.titles == [ticket["title"] for ticket in tickets]
    assert place.links == {(place.titles[0], place.titles[1]), (place.titles[1], place.titles[2])}
    assert (place.stub.requests[CREATE], place.stub.requests[BULK]) == ((3, 0), (0, 1))[bulk > 1]
    assert place.stub.requests[LINK] == 2
    assert await journeys.stage(api, session_id) == "completed"
    assert [issue.key for issue in place.stub.issues] == [f"{PROJECT}-{n}" for n in (1, 2, 3)]


async def test_an_issue_has_the_document_that_was_validated(api: Api, place: Place) -> None:
    session_id = await ready(api, place)
    [ticket, *_] = await journeys.tickets(api, session_id)
    document = await api.client.get(f"/api/adf_validation/documents/{session_id}/{ticket['id']}")

    await export(api, session_id)

    issue = place.issue_of(ticket["title"])
    assert issue.fields["description"] == document.json()
    assert {"ticketgen", "bundles"} <= set(issue.fields["labels"])
    assert issue.properties["ticketgen"]["ticket"] == ticket["key"]


async def test_who_is_known_is_assigned_and_who_is_not_is_listed(api: Api, place: Place) -> None:
    place.stub.add_account("ada@example.org", "unused", "Ada Lovelace")
    sprint = place.stub.add_sprint(PROJECT, "Sprint 7")
    session_id = await _edited(
        api,
        place,
        {"assignee": "ada lovelace", "sprint": "Sprint 7"},
        {"assignee": "nobody@example.org", "sprint": "Sprint 8"},
    )

    run = await export(api, session_id)

    [first, second, _] = place.stub.issues
    assert first.fields["assignee"]
    assert first.fields[SPRINT_FIELD]
    assert str(sprint.id) in str(first.fields[SPRINT_FIELD])
    assert not second.fields.get("assignee")
    assert run["result_summary"]["manual_fixes"] == [
        "HM-2: Assignee: nobody who can be assigned is known as 'nobody@example.org'.",
        "HM-2: Sprint: the project has no active or future sprint 'Sprint 8'.",
    ]


@pytest.mark.parametrize("bulk", [1, 50], ids=["one by one", "by one call"])
async def test_a_value_that_jira_refuses_is_left_out_and_listed(
    api: Api, place: Place, bulk: int
) -> None:
    sprint = place.stub.add_sprint(PROJECT, "Sprint 7")
    session_id = await _edited(api, place, {}, {"sprint": "Sprint 7"})
    await start(api, session_id, bulk=bulk)
    # Known a moment ago, and not there any more.
    place.stub.site.projects[PROJECT].sprints.remove(sprint)

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "completed", run
    assert len(place.stub.issues) == 3
    [fix] = run["result_summary"]["manual_fixes"]
    assert fix.endswith("Sprint: Jira does not take 'Sprint 7'; move the issue by hand.")


async def test_a_description_that_is_too_long_is_attached(api: Api, place: Place) -> None:
    long = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(120))
    session_id = await _edited(api, place, {"description": long})

    run = await export(api, session_id)

    assert run["status"] == "completed", run
    [issue, *others] = place.stub.issues
    [file] = issue.attachments
    assert file.size > 30_000
    assert all(not other.attachments for other in others)
    assert place.stub.requests[ATTACH] == 1


async def test_a_file_that_jira_does_not_take_is_left_to_a_person(api: Api, place: Place) -> None:
    long = "\n\n".join(f"Paragraph {number} " + "word " * 60 for number in range(120))
    session_id = await _edited(api, place, {"description": long})
    place.behave(attachment_limit=10)

    run = await export(api, session_id)

    assert run["status"] == "completed", run
    [fix] = run["result_summary"]["manual_fixes"]
    assert fix.startswith("HM-1: Attachment: attach ")
    assert len(place.stub.issues) == 3


async def test_an_issue_type_that_needs_more_is_refused_before_the_start(
    api: Api, place: Place
) -> None:
    field = ExtraField(id="customfield_1", name="Cost centre", required=True)
    place.stub.add_project("CC", extra_fields=(field,))
    session_id = await ready(api, place, project="CC")

    refused = await journeys.start(api, "export", session_id, target="jira")

    assert refused.status_code == 422
    assert "Cost centre" in refused.text
    assert await journeys.stage(api, session_id) == "review"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"issue_type": "Saga"}, "There is no issue type 'Saga'"),
        ({"link_type": "Hugs"}, "There is no link type 'Hugs'"),
        ({"priority": "Someday"}, "There is no priority 'Someday'"),
        ({"sprint": "x"}, "The options for Jira are wrong: sprint"),
        ({"bulk": 51}, "The options for Jira are wrong: bulk"),
    ],
)
async def test_an_option_that_cannot_be_is_refused_before_the_start(
    api: Api, place: Place, options: dict[str, Any], words: str
) -> None:
    session_id = await ready(api, place)

    refused = await journeys.start(api, "export", session_id, target="jira", options=options)

    assert refused.status_code == 422
    assert words in refused.text


async def test_a_permission_that_is_missing_is_said_before_the_start(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    place.stub.add_account(
        EMAIL, place.token, "Mia Moor", permissions=frozenset({"BROWSE_PROJECTS"})
    )

    refused = await journeys.start(api, "export", session_id, target="jira")

    assert refused.status_code == 403
    assert "may not create issues or link issues in HM" in refused.text
    assert place.stub.issues == []


async def test_a_session_without_a_project_key_is_refused(api: Api, place: Place) -> None:
    session_id = await journeys.validated(api)

    refused = await journeys.start(api, "export", session_id, target="jira")

    assert refused.status_code == 422
    assert "jira_project_key" in refused.text or "connected" in refused.text


async def test_a_project_that_is_deleted_stops_the_export_and_a_later_one_goes_on(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.stub.delete_project(PROJECT)

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "export.jira_gone"
    assert await journeys.stage(api, session_id) == "jira_export"

    place.stub.add_project(PROJECT)
    assert (await export(api, session_id))["status"] == "completed"
    assert len(place.stub.issues) == 3


async def test_a_token_that_was_revoked_stops_the_export_and_says_connect_again(
    api: Api, place: Place
) -> None:
    session_id = await ready(api, place)
    await start(api, session_id, bulk=1)
    place.stub.add_account(EMAIL, "another", "Mia Moor")

    await settled(api)

    run = await journeys.latest_run(api, "export", session_id)
    assert run["status"] == "failed"
    assert run["error"]["code"] == "export.connection_lost"
    assert place.stub.issues == []


async def _edited(api: Api, place: Place, *edits: dict[str, Any]) -> str:
    """A validated session whose tickets, in order of work, were edited so."""
    session_id = await ready(api, place)
    tickets = await journeys.tickets(api, session_id)
    for ticket, fields in zip(tickets, edits, strict=False):
        if fields:
            await journeys.edit(api, session_id, ticket, **fields)
    assert (await journeys.do(api, "adf_validation", session_id))["passed"]
    return session_id
