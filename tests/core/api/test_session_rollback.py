from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.core.api.by_hand import put_stage, queued_run, sent_elsewhere
from tests.core.api.expecting import (
    count_rows,
    generated_session,
    ready_for_export,
    refused,
    tickets_of,
)
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def _impact(api: Api, session_id: str, to: str) -> dict[str, Any]:
    answer = await api.client.get(f"/api/sessions/{session_id}/rollback", params={"to": to})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _roll_back(api: Api, session_id: str, to: str, confirm: str) -> httpx2.Response:
    return await api.client.post(
        f"/api/sessions/{session_id}/rollback", json={"to": to, "confirm": confirm}
    )


async def _edit(api: Api, session_id: str, title: str) -> None:
    ticket = (await tickets_of(api, session_id))[0]
    edited = await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{ticket['id']}",
        json={"revision": ticket["revision"], "title": title},
    )
    assert edited.status_code == 200, edited.text


async def _revision(api: Api, session_id: str) -> int:
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    return int(session["content_revision"])


async def test_the_impact_names_what_goes_and_what_stays_and_changes_nothing(api: Api) -> None:
    session_id = await ready_for_export(api)
    await _edit(api, session_id, "Content type: Happening")
    await sent_elsewhere(api, session_id, "a-ticket")

    impact = await _impact(api, session_id, "site_info_collection")

    assert impact["tickets_deleted"] == 2
    assert impact["edited_deleted"] == 1
    assert impact["edited_titles"] == ["Content type: Happening"]
    assert impact["validations_deleted"] == 1
    assert impact["files_deleted"] == ["Bundles.csv"]
    assert impact["elsewhere"] == [
        {"plugin": "export", "operation": "send:jira:HM", "done": 1, "unknown": 0}
    ]
    assert any("changed" in remark for remark in impact["remarks"])
    assert any("stays there" in remark for remark in impact["remarks"])
    assert await count_rows(api, "tickets") == 2
    assert await count_rows(api, "uploads") == 1


async def test_back_to_review_deletes_nothing_and_the_validation_holds(api: Api) -> None:
    session_id = await ready_for_export(api)
    await put_stage(api, session_id, "completed")
    before = await _revision(api, session_id)
    impact = await _impact(api, session_id, "review")

    answer = await _roll_back(api, session_id, "review", impact["confirm"])

    assert answer.json()["session"]["stage"] == "review"
    assert impact["tickets_deleted"] == 0
    assert impact["tickets_kept"] == 2
    assert await count_rows(api, "tickets") == 2
    assert await count_rows(api, "validations") == 1
    assert await _revision(api, session_id) == before


async def test_back_to_upload_deletes_tickets_and_verdicts_and_keeps_the_files(api: Api) -> None:
    session_id = await ready_for_export(api)
    before = await _revision(api, session_id)
    impact = await _impact(api, session_id, "upload")

    answer = await _roll_back(api, session_id, "upload", impact["confirm"])

    assert answer.json()["session"]["stage"] == "upload"
    assert answer.json()["impact"] == impact
    for table in ("tickets", "ticket_dependencies", "validations", "ticket_validations"):
        assert await count_rows(api, table) == 0
    assert await count_rows(api, "uploads") == 1
    assert await _revision(api, session_id) > before


async def test_back_to_the_beginning_deletes_the_files_too_and_leaves_an_entry(api: Api) -> None:
    session_id = await generated_session(api)
    impact = await _impact(api, session_id, "site_info_collection")

    answer = await _roll_back(api, session_id, "site_info_collection", impact["confirm"])

    assert answer.json()["session"]["stage"] == "site_info_collection"
    assert await count_rows(api, "uploads") == 0
    assert await count_rows(api, "audit_log WHERE action = 'session.rolled_back'") == 1


async def test_a_rollback_based_on_what_is_not_so_any_more_tells_the_new_impact(api: Api) -> None:
    session_id = await generated_session(api)
    seen = await _impact(api, session_id, "upload")
    await _edit(api, session_id, "Content type: Happening")

    answer = await _roll_back(api, session_id, "upload", seen["confirm"])

    now = refused(answer, 409, "superseded")["current"]
    assert now["edited_deleted"] == 1
    assert now["confirm"] != seen["confirm"]
    assert await count_rows(api, "tickets") == 2
    assert (await _roll_back(api, session_id, "upload", now["confirm"])).status_code == 200


async def test_the_word_for_one_stage_is_none_for_another(api: Api) -> None:
    session_id = await generated_session(api)
    seen = await _impact(api, session_id, "upload")

    answer = await _roll_back(api, session_id, "site_info_collection", seen["confirm"])

    refused(answer, 409, "superseded")
    assert await count_rows(api, "uploads") == 1


async def test_nothing_goes_forward_by_a_rollback(api: Api, subtests: pytest.Subtests) -> None:
    session_id = await start_session(api)
    await put_stage(api, session_id, "upload")
    for to in ("review", "jira_export", "completed", "upload", "processing"):
        with subtests.test(to=to):
            shown = await api.client.get(f"/api/sessions/{session_id}/rollback", params={"to": to})
            done = await _roll_back(api, session_id, to, "x")

            for answer in (shown, done):
                problem = refused(answer, 409, "rollback_refused")
                assert "site_info_collection" in problem["recovery_actions"][0]


async def test_there_is_no_rollback_while_something_is_at_work(api: Api) -> None:
    session_id = await generated_session(api)
    seen = await _impact(api, session_id, "upload")
    await queued_run(api, session_id)

    answer = await _roll_back(api, session_id, "upload", seen["confirm"])

    assert "processing" in refused(answer, 409, "task_conflict")["message"]
    assert await count_rows(api, "tickets") == 2


async def test_nobody_rolls_back_what_belongs_to_another(api: Api) -> None:
    session_id = await generated_session(api)

    answer = await api.client.get(
        f"/api/sessions/{session_id}/rollback", params={"to": "upload"}, headers=api.as_other
    )

    refused(answer, 403)
