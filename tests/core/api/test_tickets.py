from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.core.api.by_hand import put_stage
from tests.core.api.expecting import generated_session, ready_for_export, refused, tickets_of
from tests.core.api.reviewing import in_review
from ticketgen.testing import Api

pytestmark = pytest.mark.services


async def test_generated_tickets_are_listed_in_order_of_work_with_their_groups(api: Api) -> None:
    session_id = await generated_session(api)

    answer = (await api.client.get(f"/api/sessions/{session_id}/tickets")).json()

    assert [ticket["position"] for ticket in answer["tickets"]] == [1, 2]
    assert [ticket["is_edited"] for ticket in answer["tickets"]] == [False, False]
    assert sum(answer["groups"].values()) == answer["total"] == 2


async def test_a_ticket_says_what_it_needs_what_needs_it_and_what_is_special(api: Api) -> None:
    review = await in_review(api, 4)
    await review.link(("t2", "t1"), ("t3", "t2"), ("t4", "t2"))
    await review.link(("t3", "t1"), removed=True)
    text = "x" * 30_001
    await review.set("t2", description=text, notes=["Doubtful."], edited_at=datetime.now(UTC))

    second, first = await review.read("t2"), await review.read("t1")

    assert second["depends_on"] == [
        {
            "id": review.ids["t1"],
            "key": "t1",
            "title": "Ticket 1",
            "position": 1,
            "by_person": False,
        }
    ]
    assert [link["key"] for link in second["needed_by"]] == ["t3", "t4"]
    assert (second["is_edited"], second["oversize"], second["notes_count"]) == (True, True, 1)
    assert "30,001 characters" in second["hint"]
    assert "generated_description" not in second
    assert [link["key"] for link in first["needed_by"]] == ["t2"]
    assert (first["is_edited"], first["oversize"], first["hint"]) == (False, False, None)


async def test_a_ticket_of_another_session_is_not_found_whatever_is_asked(
    api: Api, subtests: pytest.Subtests
) -> None:
    mine, other = await in_review(api, 2), await in_review(api, 1)
    strange = other.ids["t1"]
    asked = (
        ("GET", f"/{strange}", None),
        ("GET", f"/{uuid4()}", None),
        ("PATCH", f"/{strange}", {"revision": 1, "title": "Mine"}),
        ("GET", f"/{strange}/diff", None),
        ("GET", f"/{strange}/history", None),
        ("POST", f"/{strange}/revert", {"revision": 1}),
        ("POST", f"/{strange}/move", {"before": mine.ids["t1"]}),
        ("POST", f"/{mine.ids['t1']}/move", {"after": strange}),
        ("POST", f"/{mine.ids['t1']}/dependencies", {"depends_on": strange}),
        ("DELETE", f"/{mine.ids['t1']}/dependencies/{strange}", None),
        ("POST", "/assign", {"ticket_ids": [mine.ids["t1"], strange], "assignee": "mia"}),
    )

    for method, path, body in asked:
        with subtests.test(request=f"{method} {path[38:]}"):
            answer = await api.client.request(method, mine.address() + path, json=body)

            refused(answer, 404, "not_found")
    assert (await mine.read("t1"))["assignee"] is None
    assert await mine.content_revision() == await other.content_revision() == 0


_CHANGES = (
    ("PATCH", "{t1}", {"revision": 1, "title": "Mine"}),
    ("POST", "{t1}/revert", {"revision": 1}),
    ("POST", "{t1}/move", {"after": "{t2}"}),
    ("POST", "{t1}/dependencies", {"depends_on": "{t2}"}),
    ("DELETE", "{t1}/dependencies/{t2}", None),
    ("POST", "assign", {"filter": {}, "assignee": "mia"}),
)


async def test_tickets_are_changed_in_review_only_and_by_nobody_else(
    api: Api, subtests: pytest.Subtests
) -> None:
    review = await in_review(api, 2)

    for method, path, body in _CHANGES:
        address = review.address(path.format(**review.ids))
        filled = body and {
            name: value.format(**review.ids) if isinstance(value, str) else value
            for name, value in body.items()
        }
        with subtests.test(request=f"{method} {path}"):
            await put_stage(api, review.session_id, "completed")
            late = await api.client.request(method, address, json=filled)
            await put_stage(api, review.session_id, "jira_export")
            foreign = await api.client.request(method, address, json=filled, headers=api.as_other)

            assert "`completed`" in refused(late, 409, "conflict")["message"]
            refused(foreign, 403)
    assert await review.content_revision() == 0
    assert (await review.edit("t1", title="Mine")).status_code == 200


async def test_tickets_are_not_changed_during_an_export(
    api: Api, subtests: pytest.Subtests
) -> None:
    session_id = await ready_for_export(api)
    one, two = [ticket["id"] for ticket in await tickets_of(api, session_id)]
    ids = {"t1": one, "t2": two}
    started = await api.client.post(f"/api/export/start/{session_id}")

    for method, path, body in _CHANGES:
        with subtests.test(request=f"{method} {path}"):
            address = f"/api/sessions/{session_id}/tickets/{path.format(**ids)}"
            filled = body and {
                name: value.format(**ids) if isinstance(value, str) else value
                for name, value in body.items()
            }
            answer = await api.client.request(method, address, json=filled)

            problem = refused(answer, 409, "task_conflict")
            assert started.json()["task_id"] in str(problem)


async def test_an_edit_makes_the_validation_stale_and_so_stops_the_export(api: Api) -> None:
    session_id = await ready_for_export(api)
    ticket = (await tickets_of(api, session_id))[0]

    await api.client.patch(
        f"/api/sessions/{session_id}/tickets/{ticket['id']}",
        json={"revision": 1, "title": "Event calendar"},
    )

    results = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    assert results["passed"] is True
    assert results["fresh"] is False
    export = await api.client.post(f"/api/export/start/{session_id}")
    assert "changed" in refused(export, 409)["message"]
