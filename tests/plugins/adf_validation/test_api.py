from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.plugins import journeys
from tests.plugins.adf_validation.official import needs_official_schema, official_schema
from tests.plugins.processing.sheets import specification
from ticketgen.domain import tickets, validations
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
