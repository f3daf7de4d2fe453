from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.core.api.expecting import BUNDLES, count_rows, generated_session, refused
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


async def test_a_session_begins_with_its_description_and_belongs_to_the_caller(api: Api) -> None:
    site = {"name": "  Harbour Museum ", "description": "Ships.", "jira_project_key": "HM"}

    answer = await api.client.post("/api/sessions", json=site)

    me = (await api.client.get("/api/auth/me")).json()
    session = answer.json()
    assert answer.status_code == 201
    assert session["name"] == "Harbour Museum"
    assert session["owner_id"] == me["id"]
    assert session["stage"] == "site_info_collection"
    assert session["writer"] == "template"
    assert (await api.client.get(f"/api/sessions/{session['id']}")).json() == session


_BAD_DESCRIPTIONS: list[Any] = [
    {},
    {"name": ""},
    {"name": "   "},
    {"name": "x" * 201},
    {"name": "a\x00b"},
    {"name": "Museum", "description": "a\x00b"},
    {"name": "Museum", "description": "x" * 200_001},
    {"name": "Museum", "jira_project_key": "lower"},
    {"name": "Museum", "jira_project_key": "HM\n"},
    {"name": "Museum", "writer": "nobody"},
    {"name": "Museum", "writer": None},
    {"name": "Museum", "jira_key": "HM"},
    {"name": ["Museum"]},
    [],
    "Museum",
]


async def test_a_bad_description_is_refused_and_nothing_is_stored(
    api: Api, subtests: pytest.Subtests
) -> None:
    for site in _BAD_DESCRIPTIONS:
        with subtests.test(site=str(site)[:60]):
            answer = await api.client.post("/api/sessions", json=site)

            assert refused(answer, 422)["category"] == "user_fixable"
            assert await count_rows(api, "sessions") == 0
            assert await count_rows(api, "audit_log") == 0


async def test_a_change_says_what_changed_and_leaves_the_rest(api: Api) -> None:
    session_id = await start_session(api, description="Ships.")

    changed = await api.client.patch(f"/api/sessions/{session_id}", json={"name": "Pier"})

    assert changed.status_code == 200
    assert changed.json()["name"] == "Pier"
    assert changed.json()["description"] == "Ships."


@pytest.mark.parametrize("change", [{"name": None}, {"nmae": "Pier"}, {"writer": "nobody"}])
async def test_a_change_that_cannot_be_made_is_refused_whole(
    api: Api, change: dict[str, Any]
) -> None:
    session_id = await start_session(api)

    answer = await api.client.patch(
        f"/api/sessions/{session_id}", json={"description": "Ships.", **change}
    )

    refused(answer, 422)
    session = (await api.client.get(f"/api/sessions/{session_id}")).json()
    assert session["name"] == "Harbour Museum"
    assert session["description"] == ""


async def test_the_description_stands_still_while_tickets_are_generated(api: Api) -> None:
    session_id = await start_session(api, {"Bundles.csv": BUNDLES})
    await api.client.post(f"/api/processing/start/{session_id}")

    answer = await api.client.patch(f"/api/sessions/{session_id}", json={"name": "Pier"})

    assert "processing" in refused(answer, 409)["message"]


async def test_a_member_sees_own_sessions_and_an_administrator_all(api: Api) -> None:
    mine = await start_session(api)
    theirs = (
        await api.client.post("/api/sessions", json={"name": "Pier"}, headers=api.as_other)
    ).json()["id"]

    own = (await api.client.get("/api/sessions")).json()
    others = (await api.client.get("/api/sessions", headers=api.as_other)).json()
    everything = (await api.client.get("/api/sessions", headers=api.as_admin)).json()

    assert [session["id"] for session in own] == [mine]
    assert [session["id"] for session in others] == [theirs]
    assert {session["id"] for session in everything} == {mine, theirs}


async def test_a_list_of_sessions_is_cut_into_pages(api: Api) -> None:
    made = [await start_session(api) for _ in range(3)]

    first = (await api.client.get("/api/sessions", params={"limit": 2})).json()
    rest = (await api.client.get("/api/sessions", params={"limit": 2, "offset": 2})).json()

    assert [session["id"] for session in first + rest] == made[::-1]


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 10**9}, {"offset": -1}, {"offset": 10**30}, {"limit": "x"}]
)
async def test_a_page_of_no_sensible_size_is_refused(api: Api, params: dict[str, Any]) -> None:
    answer = await api.client.get("/api/sessions", params=params)

    assert next(iter(params)) in refused(answer, 422)["message"]


async def test_handing_over_takes_the_session_from_one_and_gives_it_to_another(api: Api) -> None:
    session_id = await start_session(api)

    given = await api.client.post(f"/api/sessions/{session_id}/owner", json={"user": "otto"})

    assert given.status_code == 200
    refused(await api.client.get(f"/api/sessions/{session_id}"), 403)
    seen = await api.client.get(f"/api/sessions/{session_id}", headers=api.as_other)
    assert seen.status_code == 200


@pytest.mark.parametrize(("user", "status"), [("nobody", 404), ("a\x00b", 422), ("", 422)])
async def test_a_session_cannot_be_given_to_somebody_who_is_not_there(
    api: Api, user: str, status: int
) -> None:
    session_id = await start_session(api)

    answer = await api.client.post(f"/api/sessions/{session_id}/owner", json={"user": user})

    refused(answer, status)
    assert (await api.client.get(f"/api/sessions/{session_id}")).status_code == 200


async def test_a_session_is_not_given_to_a_disabled_user(api: Api) -> None:
    session_id = await start_session(api)
    async with api.runtime.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET disabled_at = now() WHERE name = 'otto'"))

    answer = await api.client.post(f"/api/sessions/{session_id}/owner", json={"user": "otto"})

    assert "disabled" in refused(answer, 409)["message"]


async def test_an_unknown_session_is_not_found(api: Api) -> None:
    answer = await api.client.get(f"/api/sessions/{uuid4()}")

    assert refused(answer, 404, "not_found")["category"] == "user_fixable"


@pytest.mark.parametrize("session_id", ["x", "1", "%00", "..%2F..%2Fetc", "0" * 32 + "0"])
async def test_an_id_that_is_none_is_refused(api: Api, session_id: str) -> None:
    answer = await api.client.get(f"/api/sessions/{session_id}")

    refused(answer, 404 if "%2F" in session_id else 422)


async def test_the_errors_of_a_session_are_told_without_technical_details(api: Api) -> None:
    session_id = await generated_session(api)
    async with api.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO session_errors (id, session_id, error_category, severity,"
                " operation_stage, code, user_message, recovery_actions, technical_details)"
                " VALUES (gen_random_uuid(), :session, 'admin_required', 'blocking', 'processing',"
                " 'unexpected', 'It stopped.', '[\"Ask.\"]', '{\"traceback\": \"secret\"}')"
            ),
            {"session": session_id},
        )

    answer = await api.client.get(f"/api/sessions/{session_id}/errors")

    assert [item["user_message"] for item in answer.json()] == ["It stopped."]
    assert "secret" not in answer.text


async def test_a_change_leaves_an_entry_of_who_made_it(api: Api) -> None:
    session_id = await start_session(api)

    await api.client.patch(f"/api/sessions/{session_id}", json={"name": "Pier"})

    async with api.runtime.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT action, users.name, details FROM audit_log"
                " JOIN users ON users.id = actor_id ORDER BY at"
            )
        )
        assert [tuple(row) for row in rows] == [
            ("session.created", "mia", {}),
            ("session.changed", "mia", {"fields": ["name"]}),
        ]


async def test_a_list_of_sessions_is_searched_by_stage_and_words_and_all_are_counted(
    api: Api,
) -> None:
    await start_session(api, name="Harbour Museum", description="Ships of 100% steel.")
    await start_session(api, name="Pier", jira_project_key="PIER")
    uploaded = await start_session(api, {"Bundles.csv": BUNDLES}, name="Museum pier")

    async def found(**params: Any) -> tuple[list[str], str]:
        answer = await api.client.get("/api/sessions", params=params)
        names = [session["name"] for session in answer.json()]
        return names, answer.headers["X-Total-Count"]

    assert uploaded
    assert await found(q="museum") == (["Museum pier", "Harbour Museum"], "2")
    assert await found(q="PIER museum") == (["Museum pier"], "1")
    assert await found(q="100%") == (["Harbour Museum"], "1")
    assert await found(q="1_0") == ([], "0")
    assert await found(stage="upload") == (["Museum pier"], "1")
    assert (await found(stage=["upload", "site_info_collection"], limit=1))[1] == "3"
    refused(await api.client.get("/api/sessions", params={"stage": "nowhere"}), 422)
