"""Findings over the API: checked without a ticket, grouped, listed, accepted, noted."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from tests.plugins import journeys
from ticketgen.domain.audit import AuditEntry
from ticketgen.sample import sample_files
from ticketgen.testing import Api, drain, start_session

pytestmark = pytest.mark.services

WRONG = {
    "Bundles.csv": (
        b"Name,Machine name,Type\nArticle,article,Content type\nTopics,topics,Vocabulary\n"
    ),
    "Fields.csv": (
        b"Bundle,Field label,Machine name,Field type,Ref. bundle\n"
        b"Article (Content type),Topic,field_topic,Entity reference,Topic (Vocabulary)\n"
        b"Article (Content type),Author,field_author,Entity reference,Persons (Content type)\n"
        b"Article (Content type),Body,body,Text,-\n"
    ),
}
"""Two names in one column that nothing has; one of them is nearly right."""


async def _accept(api: Api, session_id: str, *groups: str, **more: Any) -> Any:
    return await api.client.post(
        f"/api/processing/findings/{session_id}/accept", json={"groups": groups, **more}
    )


async def test_a_check_reports_every_problem_and_makes_no_ticket(api: Api) -> None:
    session_id = await start_session(api, WRONG)
    before = await api.client.get(f"/api/processing/findings/{session_id}")

    summary = await journeys.do(api, "processing.check", session_id)

    report = await journeys.findings(api, session_id)
    [group] = report["groups"]
    assert before.status_code == 404
    assert "processing.check" in before.json()["recovery_actions"][0]
    assert (summary["errors"], summary["accepted_errors"], summary["components"]) == (2, 0, 2)
    assert (report["errors"], report["open_errors"], report["stale"]) == (2, 2, False)
    assert (group["file"], group["column"], group["count"]) == ("Fields.csv", "Ref. bundle", 2)
    assert [one["value"] for one in group["values"]] == [
        "Topic (Vocabulary)",
        "Persons (Content type)",
    ]
    assert "Topics (Vocabulary)" in group["suggestions"]
    assert group["accepted"] is None
    assert await journeys.tickets(api, session_id) == []
    assert await journeys.stage(api, session_id) == "upload"


async def test_errors_stop_a_generation_and_say_how_to_go_on(api: Api) -> None:
    session_id = await start_session(api, WRONG)
    await journeys.start(api, "processing", session_id)

    await drain(api.runtime)

    run = await journeys.latest_run(api, "processing", session_id)
    report = await journeys.findings(api, session_id)
    error = run["error"]
    assert (error["code"], error["error_category"]) == ("processing.sheet_errors", "user_fixable")
    assert "2 errors" in error["user_message"]
    assert "Fields.csv, Ref. bundle" in error["user_message"]
    assert report["groups"][0]["id"] in error["user_message"], "so that it can be accepted"
    assert any("accept" in action for action in error["recovery_actions"])
    assert await journeys.stage(api, session_id) == "upload"
    assert await journeys.tickets(api, session_id) == []


async def test_accepted_errors_stop_nothing_and_stand_on_the_tickets_of_their_rows(
    api: Api,
) -> None:
    session_id = await start_session(api, WRONG)
    await journeys.do(api, "processing.check", session_id)
    [group] = (await journeys.findings(api, session_id))["groups"]

    answer = await _accept(api, session_id, group["id"], reason="Comes in phase 2.")
    summary = await journeys.do(api, "processing", session_id)

    [accepted] = answer.json()["groups"]
    topics, article = await journeys.tickets(api, session_id)
    assert (answer.json()["open_errors"], accepted["open_errors"]) == (0, 0)
    assert accepted["accepted"]["by"] == "mia"
    assert accepted["accepted"]["reason"] == "Comes in phase 2."
    assert summary["errors"] == 2
    assert topics["notes"] == []
    assert len([note for note in article["notes"] if note.startswith("Accepted")]) == 2
    assert "Persons" in article["description"].partition("## Notes")[2]
    async with api.runtime.session_factory() as db:
        entry = await db.scalar(select(AuditEntry).where(AuditEntry.action == "findings.accepted"))
    assert entry is not None
    assert entry.details["groups"] == [{"id": group["id"], "errors": 2}]


async def test_another_wrong_name_in_an_accepted_column_is_a_new_error(api: Api) -> None:
    session_id = await start_session(api, WRONG)
    await journeys.accept_errors(api, session_id)
    fields = WRONG["Fields.csv"].replace(b"Text,-", b"Text,Unheard (Vocabulary)")
    inserted = fields.replace(b"Article (Content type),Topic", b"\n\nArticle (Content type),Topic")
    await api.client.post(
        f"/api/sessions/{session_id}/uploads", files={"files": ("Fields.csv", inserted)}
    )
    stale = (await journeys.findings(api, session_id))["stale"]

    await journeys.do(api, "processing.check", session_id)

    report = await journeys.findings(api, session_id)
    refused = await _accept(api, session_id, "reference-nothing-000000")
    assert stale
    assert (report["errors"], report["accepted_errors"], report["open_errors"]) == (3, 2, 1)
    assert (refused.status_code, refused.json()["code"]) == (404, "processing.unknown_group")


async def test_an_acceptance_is_taken_back_and_refused_for_warnings_and_old_reports(
    api: Api,
) -> None:
    session_id = await start_session(
        api, {**WRONG, "Bundles.csv": WRONG["Bundles.csv"] + b"X,42x42,Vocabulary\n"}
    )
    report = await journeys.accept_errors(api, session_id)
    wrong, *others = report["groups"]
    [harmless] = [group["id"] for group in others if group["severity"] == "warning"][:1]

    for_warning = await _accept(api, session_id, harmless)
    address = f"/api/processing/findings/{session_id}/accepted/{wrong['id']}"
    withdrawn = await api.client.delete(address)
    again = await api.client.delete(address)
    await api.client.post(
        f"/api/sessions/{session_id}/uploads", files={"files": ("Bundles.csv", b"Name,Type\nA,B\n")}
    )
    too_late = await _accept(api, session_id, wrong["id"])

    assert (for_warning.status_code, for_warning.json()["code"]) == (
        422,
        "processing.not_an_error",
    )
    assert withdrawn.json()["open_errors"] == 2
    assert again.status_code == 404
    assert (too_late.status_code, too_late.json()["code"]) == (409, "processing.stale_report")


async def test_single_findings_are_filtered_counted_and_downloaded(api: Api) -> None:
    session_id = await start_session(api, sample_files())
    await journeys.do(api, "processing.check", session_id)
    address = f"/api/processing/findings/{session_id}"

    everything = await api.client.get(f"{address}/list")
    errors = await api.client.get(f"{address}/list", params={"severity": "error", "limit": 1})
    formulas = await api.client.get(f"{address}/list", params={"q": "#n/a"})
    nothing = await api.client.get(f"{address}/list", params={"q": "%", "file": "none.csv"})
    sheet = await api.client.get(f"{address}/csv")

    report = await journeys.findings(api, session_id)
    rows = list(csv.DictReader(io.StringIO(sheet.content.decode("utf-8-sig"))))
    assert len(everything.json()) == report["errors"] + report["warnings"] == len(rows)
    assert errors.headers["X-Total-Count"] == str(report["errors"])
    assert [one["severity"] for one in errors.json()] == ["error"]
    assert {one["value"] for one in formulas.json()} == {"#N/A"}
    assert {one["group"] for one in everything.json()} == {g["id"] for g in report["groups"]}
    assert (nothing.json(), nothing.headers["X-Total-Count"]) == ([], "0")
    assert "#N/A" in [row["value"] for row in rows]


async def test_findings_of_a_colleagues_session_are_refused(api: Api) -> None:
    session_id = await start_session(api, WRONG)
    await journeys.do(api, "processing.check", session_id)

    for method, path in (
        ("GET", ""),
        ("GET", "/list"),
        ("GET", "/csv"),
        ("DELETE", "/accepted/x"),
    ):
        address = f"/api/processing/findings/{session_id}{path}"
        answer = await api.client.request(method, address, headers=api.as_other)
        assert answer.status_code == 403, (method, path)
