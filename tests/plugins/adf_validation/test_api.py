from __future__ import annotations

import csv
import io
from typing import Any
from uuid import UUID

import pytest

from tests.plugins import journeys
from tests.plugins.adf_validation.official import needs_official_schema, official_schema
from tests.plugins.processing.sheets import specification
from ticketgen.domain import audit, tickets, validations
from ticketgen.testing import Api, drain, start_session
from ticketgen_adf_validation import service

pytestmark = pytest.mark.services


@needs_official_schema
@pytest.mark.parametrize("name", ["sample", "real"])
async def test_every_stored_document_is_valid_by_the_official_schema(name: str, api: Api) -> None:
    session_id = await journeys.generated(api, specification(name))
    schema = official_schema()

    summary = await journeys.do(api, "adf_validation", session_id)

    async with api.runtime.session_factory() as db:
        verdict = await validations.latest_validation(db, UUID(session_id))
        assert verdict is not None
        documents = await validations.read_documents(db, verdict.id)
    assert (summary["passed"], summary["errors"]) == (True, 0)
    assert len(documents) == summary["tickets_checked"] > 25
    for document in documents.values():
        schema.validate(document)


async def test_the_report_has_a_verdict_for_every_ticket(api: Api) -> None:
    session_id = await journeys.generated(api)
    ids = {ticket["id"] for ticket in await journeys.tickets(api, session_id)}

    await journeys.do(api, "adf_validation", session_id)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    assert (report["passed"], report["fresh"]) == (True, True)
    assert (report["tickets_checked"], report["tickets_failed"]) == (3, 0)
    assert {ticket["ticket_id"] for ticket in report["tickets"]} == ids
    assert all(ticket["passed"] for ticket in report["tickets"])


async def test_a_description_that_jira_refuses_fails_its_ticket_alone(api: Api) -> None:
    session_id = await journeys.generated(api)
    long, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, long, description="😀" * 20_000)

    summary = await journeys.do(api, "adf_validation", session_id)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    failed = [ticket for ticket in report["tickets"] if not ticket["passed"]]
    assert (summary["passed"], summary["tickets_failed"]) == (False, 1)
    assert [ticket["ticket_id"] for ticket in failed] == [long["id"]]
    [finding] = [item for item in failed[0]["findings"] if item["severity"] == "error"]
    assert "takes 32767" in finding["message"]
    assert finding["remedy"]


async def test_an_edit_makes_the_verdict_stale_and_a_new_one_fresh(api: Api) -> None:
    session_id = await journeys.validated(api)
    first, *_ = await journeys.tickets(api, session_id)
    results = f"/api/adf_validation/results/{session_id}"

    await journeys.edit(api, session_id, first, sprint="Sprint 1")
    stale = (await api.client.get(results)).json()
    await journeys.do(api, "adf_validation", session_id)
    fresh = (await api.client.get(results)).json()

    assert (stale["passed"], stale["fresh"]) == (True, False)
    assert (fresh["passed"], fresh["fresh"]) == (True, True)


async def test_a_document_says_what_the_ticket_says(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description="Only this.")
    await journeys.do(api, "adf_validation", session_id)

    answer = await api.client.get(f"/api/adf_validation/documents/{session_id}/{first['id']}")

    assert answer.json() == {
        "version": 1,
        "type": "doc",
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Only this."}]}],
    }


async def test_a_session_without_tickets_has_nothing_to_validate(api: Api) -> None:
    session_id = await journeys.generated(api)
    async with api.runtime.session_factory() as db:
        await tickets.delete_tickets(db, UUID(session_id))
        await db.commit()

    answer = await journeys.start(api, "adf_validation", session_id)

    assert (answer.status_code, answer.json()["code"]) == (422, "adf_validation.no_tickets")
    assert answer.json()["recovery_actions"]


async def test_a_session_before_review_cannot_be_validated(api: Api) -> None:
    session_id = await start_session(api, journeys.SHEETS)

    answer = await journeys.start(api, "adf_validation", session_id)

    assert answer.status_code == 409
    assert "`upload`" in answer.json()["detail"]


async def test_what_was_not_validated_is_not_found_and_says_how_to_begin(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)

    results = await api.client.get(f"/api/adf_validation/results/{session_id}")
    document = await api.client.get(f"/api/adf_validation/documents/{session_id}/{first['id']}")

    assert (results.status_code, document.status_code) == (404, 404)
    assert "adf_validation/start" in results.json()["recovery_actions"][0]


async def test_documents_of_another_session_are_not_shown_through_ones_own(api: Api) -> None:
    mine = await journeys.validated(api)
    other = await journeys.validated(api)
    first, *_ = await journeys.tickets(api, other)

    answer = await api.client.get(f"/api/adf_validation/documents/{mine}/{first['id']}")

    assert answer.status_code == 404


async def test_a_colleague_sees_neither_verdict_nor_documents(api: Api) -> None:
    session_id = await journeys.validated(api)
    first, *_ = await journeys.tickets(api, session_id)

    answers = [
        await api.client.get(f"/api/adf_validation/{path}", headers=api.as_other)
        for path in (f"results/{session_id}", f"documents/{session_id}/{first['id']}")
    ]

    assert [answer.status_code for answer in answers] == [403, 403]


async def test_an_edit_while_the_validation_runs_leaves_a_stale_verdict(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    check = service._checked

    async def slow(*arguments: Any) -> Any:
        await journeys.edit(api, session_id, first, title="Changed meanwhile")
        return await check(*arguments)

    monkeypatch.setattr(service, "_checked", slow)
    await journeys.start(api, "adf_validation", session_id)

    await drain(api.runtime)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    refused = await journeys.start(api, "export", session_id)
    assert report["fresh"] is False
    assert refused.status_code == 409


SPOILT = "The `field_\u200bname` isn\x92t seen."
FIXED = "The `field_name` isn’t seen."


async def _spoilt(api: Api) -> tuple[str, dict[str, Any]]:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description=SPOILT)
    await journeys.do(api, "adf_validation", session_id)
    return session_id, (await journeys.tickets(api, session_id))[0]


async def test_a_finding_says_whether_it_can_be_fixed(api: Api) -> None:
    session_id, spoilt = await _spoilt(api)

    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()

    found = {ticket["ticket_id"]: ticket["findings"] for ticket in report["tickets"]}
    assert [finding["fixable"] for finding in found[spoilt["id"]]] == [True, True]
    assert report["passed"] is True


async def test_certain_fixes_are_edits_of_the_tickets_and_make_the_verdict_stale(api: Api) -> None:
    session_id, spoilt = await _spoilt(api)
    route = f"/api/adf_validation/fix/{session_id}"

    told = (await api.client.post(route, json={"dry_run": True})).json()
    untouched = (await journeys.tickets(api, session_id))[0]
    done = (await api.client.post(route)).json()
    again = (await api.client.post(route)).json()

    [ticket] = done["tickets"]
    assert untouched["description"] == SPOILT
    assert told == {**done, "dry_run": True, "tickets": [{**ticket, "revision": 2}]}
    assert (ticket["before"], ticket["after"], ticket["revision"]) == (SPOILT, FIXED, 3)
    assert ticket["rules"] == [
        "adf_validation.control_character",
        "adf_validation.invisible_character",
    ]
    assert again == {"dry_run": False, "tickets": [], "left": 0}
    edited = (await journeys.tickets(api, session_id))[0]
    report = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    assert (edited["description"], edited["revision"]) == (FIXED, 3)
    assert edited["edited_at"] > spoilt["edited_at"]
    assert report["fresh"] is False
    assert [
        finding["fixable"] for ticket in report["tickets"] for finding in ticket["findings"]
    ] == [
        False,
        False,
    ]


async def test_a_fix_is_in_the_history_of_its_ticket(api: Api) -> None:
    session_id, spoilt = await _spoilt(api)

    await api.client.post(f"/api/adf_validation/fix/{session_id}")

    async with api.runtime.session_factory() as db:
        [line, *_] = await audit.list_entries(db, UUID(session_id), subject=spoilt["key"], limit=5)
    assert (line.action, line.details["revision"]) == ("ticket.edited", 3)
    assert line.details["fields"] == ["description"]
    assert line.details["before"]["description"]["characters"] == len(SPOILT)


@pytest.mark.parametrize(
    "chosen", [{"rules": ["adf_validation.too_long"]}, {"ticket_ids": []}, {"rules": []}]
)
async def test_a_fix_that_was_not_asked_for_is_not_made(api: Api, chosen: dict[str, Any]) -> None:
    session_id, spoilt = await _spoilt(api)

    answer = await api.client.post(f"/api/adf_validation/fix/{session_id}", json=chosen)

    assert answer.json()["tickets"] == []
    assert (await journeys.tickets(api, session_id))[0]["revision"] == spoilt["revision"]


async def test_no_more_tickets_are_fixed_than_the_limit_says_and_the_rest_is_counted(
    api: Api,
) -> None:
    session_id = await journeys.generated(api)
    for ticket in await journeys.tickets(api, session_id):
        await journeys.edit(api, session_id, ticket, description=SPOILT)
    await journeys.do(api, "adf_validation", session_id)

    answer = await api.client.post(f"/api/adf_validation/fix/{session_id}", json={"limit": 2})

    assert (len(answer.json()["tickets"]), answer.json()["left"]) == (2, 1)


async def test_a_fix_is_refused_to_strangers_for_foreign_tickets_and_beside_a_run(
    api: Api,
) -> None:
    session_id, _spoilt_ticket = await _spoilt(api)
    route = f"/api/adf_validation/fix/{session_id}"
    foreign = {"ticket_ids": ["019ac0de-0000-7000-8000-000000000005"]}

    stranger = await api.client.post(route, headers=api.as_other)
    missing = await api.client.post(route, json=foreign)
    await journeys.start(api, "export", session_id)
    busy = await api.client.post(route)

    assert [answer.status_code for answer in (stranger, missing, busy)] == [403, 404, 409]
    assert busy.json()["code"] == "adf_validation.tickets_busy"
    assert busy.json()["recovery_actions"]


async def test_a_session_that_was_not_validated_has_nothing_to_fix(api: Api) -> None:
    session_id = await journeys.generated(api)

    answer = await api.client.post(f"/api/adf_validation/fix/{session_id}")

    assert answer.status_code == 404


async def test_results_come_in_pages_and_those_that_failed_alone(api: Api) -> None:
    session_id = await journeys.generated(api)
    first, *_ = await journeys.tickets(api, session_id)
    await journeys.edit(api, session_id, first, description="😀" * 20_000)
    await journeys.do(api, "adf_validation", session_id)
    route = f"/api/adf_validation/results/{session_id}"

    failed = await api.client.get(route, params={"failed": True})
    passed = await api.client.get(route, params={"failed": False, "limit": 1, "offset": 1})

    assert [ticket["ticket_id"] for ticket in failed.json()["tickets"]] == [first["id"]]
    assert len(passed.json()["tickets"]) == 1
    assert [answer.headers["X-Total-Count"] for answer in (failed, passed)] == ["1", "2"]


async def test_the_findings_are_downloaded_as_a_table(api: Api) -> None:
    session_id, spoilt = await _spoilt(api)

    answer = await api.client.get(f"/api/adf_validation/results/{session_id}/csv")

    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][:5] == ["position", "ticket", "title", "severity", "rule"]
    assert [row[1] for row in rows[1:]] == [spoilt["key"]] * 2
    assert rows[1][4] == "adf_validation.control_character"


async def test_a_description_that_was_edited_in_jira_comes_back_as_markdown(api: Api) -> None:
    item = {"type": "listItem", "content": [{"type": "paragraph", "content": [TEXT]}]}
    document = {"version": 1, "type": "doc", "content": [{"type": "bulletList", "content": [item]}]}

    answer = await api.client.post("/api/adf_validation/markdown", json={"document": document})

    assert answer.json() == {"markdown": "- words\n"}


@pytest.mark.parametrize("document", [None, [], {"type": "doc"}, {"content": []}, "words"])
async def test_what_is_no_document_is_refused_with_findings(api: Api, document: Any) -> None:
    answer = await api.client.post("/api/adf_validation/markdown", json={"document": document})

    assert (answer.status_code, answer.json()["code"]) == (422, "adf_validation.no_document")
    assert answer.json()["findings"]
    assert answer.json()["recovery_actions"]


@pytest.mark.parametrize("content", [[{}] * 50_001, [{"type": "text", "text": "x" * 200_001}]])
async def test_a_document_beyond_all_measure_is_refused(api: Api, content: list[Any]) -> None:
    document = {"type": "doc", "version": 1, "content": content}

    answer = await api.client.post("/api/adf_validation/markdown", json={"document": document})

    assert (answer.status_code, answer.json()["code"]) == (413, "adf_validation.too_large")


async def test_markdown_is_made_for_those_with_a_token_only(api: Api) -> None:
    answer = await api.client.post(
        "/api/adf_validation/markdown",
        json={"document": {"type": "doc", "content": []}},
        headers={"Authorization": ""},
    )

    assert answer.status_code == 401


TEXT = {"type": "text", "text": "words"}
