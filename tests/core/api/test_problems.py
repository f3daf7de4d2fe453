from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from starlette.routing import Match

from tests.core.api.expecting import count_rows, refused
from ticketgen.api.app import create_app
from ticketgen.api.limits import MAX_BODY_BYTES
from ticketgen.domain import tokens
from ticketgen.domain.users import get_user_by_name
from ticketgen.testing import Api, start_session

pytestmark = pytest.mark.services


_NO_GOOD_TOKENS = [
    "",
    "Bearer",
    "Bearer ",
    "Bearer tg_wrong",
    "Bearer a\x00b",
    "Basic bWlhOm1pYQ==",
    "tg_wrong",
    "Bearer " + "x" * 10_000,
]


async def test_without_a_good_token_nothing_is_answered(
    api: Api, subtests: pytest.Subtests
) -> None:
    for authorization in _NO_GOOD_TOKENS:
        with subtests.test(authorization=authorization[:60]):
            answer = await api.client.get("/api/sessions", headers={"Authorization": authorization})

            assert refused(answer, 401, "authentication")["category"] == "user_fixable"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("how", ["expired", "revoked"])
async def test_a_token_that_has_ended_is_refused(api: Api, how: str) -> None:
    async with api.runtime.session_factory() as db:
        token, secret = await tokens.create_token(
            db,
            user=await get_user_by_name(db, "mia"),
            name="ended",
            lifetime=timedelta(0) if how == "expired" else timedelta(hours=1),
        )
        if how == "revoked":
            await tokens.revoke_token(db, token.id)
        await db.commit()

    answer = await api.client.get("/api/sessions", headers=Api.bearing(secret))

    assert how in refused(answer, 401)["message"]


async def test_an_unknown_address_is_a_problem_too(api: Api) -> None:
    answer = await api.client.get("/api/nothing")

    refused(answer, 404, "not_found")


async def test_a_wrong_method_says_which_one_is_right(api: Api) -> None:
    answer = await api.client.put("/api/auth/me", json={})

    assert refused(answer, 405, "method_not_allowed")["recovery_actions"] == ["Use GET."]
    assert answer.headers["allow"] == "GET"


async def test_a_wrong_method_says_every_right_one(api: Api) -> None:
    answer = await api.client.put("/api/sessions", json={})

    assert refused(answer, 405)["recovery_actions"] == ["Use GET or POST."]
    assert answer.headers["allow"] == "GET, POST"


async def test_an_address_with_a_slash_too_many_sends_nobody_elsewhere(api: Api) -> None:
    answer = await api.client.get("/api/sessions/", headers={"Host": "elsewhere.example"})

    refused(answer, 404, "not_found")
    assert "location" not in answer.headers


_NO_GOOD_JSON = [b"{", b"g\xff", b'{"name": "\\ud800"}', b'{"name": "\\u0000"}']


async def test_a_body_that_is_no_good_json_is_refused(api: Api, subtests: pytest.Subtests) -> None:
    for body in _NO_GOOD_JSON:
        with subtests.test(body=body):
            answer = await api.client.post(
                "/api/sessions", content=body, headers={"Content-Type": "application/json"}
            )

            refused(answer, 422, "invalid_input")
            assert await count_rows(api, "sessions") == 0


async def test_a_huge_body_is_refused_before_it_is_read_whole(api: Api) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 20 * MAX_BODY_BYTES:
            sent += 65_536
            yield b" " * 65_536

    answer = await api.client.post(
        "/api/sessions", content=endless(), headers={"Content-Type": "application/json"}
    )

    refused(answer, 413, "too_large")


async def test_of_very_many_problems_only_some_are_told(api: Api) -> None:
    answer = await api.client.post(
        "/api/sessions", json={"name": "x"} | {f"f{number}": 1 for number in range(5_000)}
    )

    assert "more" in refused(answer, 422)["message"]
    assert len(answer.content) < 20_000


async def test_a_commit_that_fails_is_answered_as_a_failure(api: Api) -> None:
    async with api.runtime.engine.begin() as connection:
        await connection.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$BEGIN RAISE EXCEPTION 'a private word'; END$$"
            )
        )
        await connection.execute(
            text(
                "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON sessions"
                " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
            )
        )

    answer = await api.client.post("/api/sessions", json={"name": "Museum"})

    problem = refused(answer, 500)
    assert problem["category"] == "admin_required"
    assert "private" not in answer.text
    assert await count_rows(api, "sessions") == 0
    async with api.runtime.engine.connect() as connection:
        stored = await connection.execute(
            text("SELECT technical_details FROM session_errors WHERE id = :id"),
            {"id": problem["error_id"]},
        )
        assert "a private word" in str(stored.scalar_one())


async def test_a_statement_that_takes_too_long_is_temporary(api: Api) -> None:
    session_id = await start_session(api)
    async with api.runtime.engine.connect() as holder:
        await holder.execute(
            text("SELECT 1 FROM sessions WHERE id = :id FOR UPDATE"), {"id": session_id}
        )
        async with api.runtime.engine.begin() as connection:
            name = (await connection.execute(text("SELECT current_database()"))).scalar_one()
            await connection.execute(text(f"ALTER DATABASE {name} SET lock_timeout = '200ms'"))
        await api.runtime.engine.dispose(close=False)

        answer = await api.client.patch(f"/api/sessions/{session_id}", json={"name": "Pier"})

        assert refused(answer, 503)["category"] == "temporary"
        await holder.rollback()


def _addresses(api: Api) -> list[tuple[str, str]]:
    document = create_app(api.runtime).openapi()
    return [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, operations in document["paths"].items()
        for method in operations
    ]


async def test_every_address_but_liveness_needs_a_token(api: Api) -> None:
    zero = "00000000-0000-7000-8000-000000000000"
    names = ("session_id", "ticket_id", "task_id", "upload_id")
    open_addresses = set()

    for method, path in _addresses(api):
        for name in names:
            path = path.replace(name, zero)
        answer = await api.client.request(method, path, headers={"Authorization": ""})
        if answer.status_code != 401:
            open_addresses.add((method, path))

    callback = "/api/export/connections/oauth/callback"
    assert open_addresses == {("GET", "/health/live"), ("GET", callback)}


async def test_the_description_leaves_no_address_out(api: Api) -> None:
    app = create_app(api.runtime)
    undescribed = [
        path
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")
        if any(
            route.matches({"type": "http", "path": path, "method": "GET"})[0] is Match.FULL
            for route in app.routes
        )
    ]

    assert undescribed == []


async def test_a_member_reaches_a_foreign_session_over_no_address(api: Api) -> None:
    session_id = await start_session(api)
    zero = "00000000-0000-7000-8000-000000000000"
    reached, tried = [], 0

    for method, path in _addresses(api):
        if "session_id" not in path:
            continue
        tried += 1
        address = path.replace("session_id", session_id)
        for name in ("ticket_id", "upload_id"):
            address = address.replace(name, zero)
        body = {"user": "otto", "revision": 1, "title": "x"} if method in {"POST", "PATCH"} else {}
        if path.endswith("/owner"):
            body = {"user": "otto"}
        elif path.endswith("ticket_id"):
            body = {"revision": 1, "title": "x"}
        elif method == "PATCH":
            body = {"name": "x"}
        elif "start" in path or "generate" in path or "export/session" in path:
            body = {}
        answer = await api.client.request(
            method, address, headers=api.as_other, json=body if method != "GET" else None
        )
        if answer.status_code != 403:
            reached.append((method, path, answer.status_code))

    assert tried > 15
    assert reached == []
    assert await count_rows(api, "session_tasks") == 0
    admin = await api.client.get(f"/api/sessions/{session_id}", headers=api.as_admin)
    assert admin.status_code == 200


async def test_no_log_line_holds_the_token(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    await api.client.get("/api/sessions")
    await api.client.get("/api/nothing")
    await api.client.post("/api/sessions", json={})

    assert api.token not in caplog.text
    assert api.token[3:] not in caplog.text
