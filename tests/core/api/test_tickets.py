from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from tests.core.api.expecting import (
    count_rows,
    generated_session,
    ready_for_export,
    refused,
    tickets_of,
)
from ticketgen.testing import Api

pytestmark = pytest.mark.services


async def _address(api: Api, session_id: str) -> str:
    ticket = (await tickets_of(api, session_id))[0]
    return f"/api/sessions/{session_id}/tickets/{ticket['id']}"


async def test_tickets_are_listed_in_order_of_work_with_their_groups(api: Api) -> None:
    session_id = await generated_session(api)

    answer = (await api.client.get(f"/api/sessions/{session_id}/tickets")).json()

    assert [ticket["position"] for ticket in answer["tickets"]] == [1, 2]
    assert sum(answer["groups"].values()) == 2


@pytest.mark.parametrize(("group", "count"), [("nothing", 0), ("", 0), ("' OR 1=1 --", 0)])
async def test_a_group_that_does_not_exist_has_no_tickets(api: Api, group: str, count: int) -> None:
    session_id = await generated_session(api)

    answer = await api.client.get(f"/api/sessions/{session_id}/tickets", params={"group": group})

    assert len(answer.json()["tickets"]) == count


async def test_a_nul_character_in_a_query_is_refused(api: Api) -> None:
    session_id = await generated_session(api)

    answer = await api.client.get(f"/api/sessions/{session_id}/tickets?group=a%00b")

    refused(answer, 422, "invalid_input")


async def test_an_edit_changes_what_it_names_and_counts(api: Api) -> None:
    session_id = await generated_session(api)
    address = await _address(api, session_id)
    before = (await api.client.get(address)).json()

    answer = await api.client.patch(
        address, json={"revision": 1, "title": "Event calendar", "assignee": "mia"}
    )

    after = answer.json()
    assert answer.status_code == 200
    assert after["title"] == "Event calendar"
    assert after["assignee"] == "mia"
    assert after["revision"] == 2
    assert after["edited_at"] is not None
    assert after["description"] == before["description"]
    assert (await api.client.get(address)).json() == after


async def test_an_assignee_can_be_taken_away_again(api: Api) -> None:
    address = await _address(api, await generated_session(api))
    await api.client.patch(address, json={"revision": 1, "assignee": "mia"})

    answer = await api.client.patch(address, json={"revision": 2, "assignee": None})

    assert answer.json()["assignee"] is None


_SENSELESS_EDITS: list[dict[str, Any]] = [
    {},
    {"title": "Event"},
    {"revision": 1},
    {"revision": "one", "title": "Event"},
    {"revision": 1, "title": None},
    {"revision": 1, "title": ""},
    {"revision": 1, "title": "x" * 201},
    {"revision": 1, "title": "a\x00b"},
    {"revision": 1, "description": None},
    {"revision": 1, "description": "a\x00b"},
    {"revision": 1, "description": "x" * 200_001},
    {"revision": 1, "titel": "Event"},
    {"revision": 1, "position": 7},
]


async def test_an_edit_that_makes_no_sense_changes_nothing(
    api: Api, subtests: pytest.Subtests
) -> None:
    address = await _address(api, await generated_session(api))
    before = (await api.client.get(address)).json()

    for edit in _SENSELESS_EDITS:
        with subtests.test(edit=str(edit)[:60]):
            answer = await api.client.patch(address, json=edit)

            refused(answer, 422)
            assert (await api.client.get(address)).json() == before


@pytest.mark.parametrize("revision", [0, 2, -1, 10**30])
async def test_an_edit_of_another_revision_is_refused(api: Api, revision: int) -> None:
    address = await _address(api, await generated_session(api))

    answer = await api.client.patch(address, json={"revision": revision, "title": "Event"})

    assert "revision 1" in refused(answer, 409, "conflict")["message"]


async def test_of_ten_edits_at_once_one_is_made_and_the_others_are_told(api: Api) -> None:
    address = await _address(api, await generated_session(api))

    answers = await asyncio.gather(
        *(
            api.client.patch(address, json={"revision": 1, "title": f"Event {number}"})
            for number in range(10)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
    assert (await api.client.get(address)).json()["revision"] == 2


async def test_an_edit_makes_the_validation_stale_and_so_stops_the_export(api: Api) -> None:
    session_id = await ready_for_export(api)
    address = await _address(api, session_id)

    await api.client.patch(address, json={"revision": 1, "title": "Event calendar"})

    results = (await api.client.get(f"/api/adf_validation/results/{session_id}")).json()
    assert results["passed"] is True
    assert results["fresh"] is False
    export = await api.client.post(f"/api/export/start/{session_id}")
    assert "changed" in refused(export, 409)["message"]


async def test_tickets_are_not_edited_during_an_export(api: Api) -> None:
    session_id = await ready_for_export(api)
    address = await _address(api, session_id)
    started = await api.client.post(f"/api/export/start/{session_id}")

    answer = await api.client.patch(address, json={"revision": 1, "title": "Event calendar"})

    assert started.json()["task_id"] in str(refused(answer, 409, "task_conflict"))


async def test_a_ticket_of_another_session_is_not_found(api: Api) -> None:
    mine, other = await generated_session(api), await generated_session(api)
    ticket = (await tickets_of(api, other))[0]

    read = await api.client.get(f"/api/sessions/{mine}/tickets/{ticket['id']}")
    edited = await api.client.patch(
        f"/api/sessions/{mine}/tickets/{ticket['id']}", json={"revision": 1, "title": "Event"}
    )
    unknown = await api.client.get(f"/api/sessions/{mine}/tickets/{uuid4()}")

    for answer in (read, edited, unknown):
        refused(answer, 404, "not_found")


async def test_a_list_asks_the_database_as_often_for_two_tickets_as_for_fifty(api: Api) -> None:
    session_id = await generated_session(api)
    asked: list[str] = []
    engine = api.runtime.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    await tickets_of(api, session_id)
    for_two = len(asked)
    async with api.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO tickets (id, session_id, key, csv_type, entity_group, position,"
                " title, description, sources, notes, revision)"
                " SELECT gen_random_uuid(), :session, 'k' || n, 'bundles', 'g' || n, n, 't', 'd',"
                " '[]', '[]', 1 FROM generate_series(3, 50) AS n"
            ),
            {"session": session_id},
        )
    asked.clear()

    found = await tickets_of(api, session_id)

    assert len(found) == 50
    assert len(asked) == for_two


async def test_an_edit_is_written_down_with_its_fields_and_without_their_text(api: Api) -> None:
    address = await _address(api, await generated_session(api))
    before = await count_rows(api, "audit_log")

    await api.client.patch(address, json={"revision": 1, "description": "Private words."})

    async with api.runtime.engine.connect() as connection:
        row = (
            await connection.execute(
                text("SELECT action, details FROM audit_log ORDER BY at DESC LIMIT 1")
            )
        ).one()
    assert await count_rows(api, "audit_log") == before + 1
    assert tuple(row) == ("ticket.edited", {"fields": ["description"], "revision": 2})
