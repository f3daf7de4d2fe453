from __future__ import annotations

import asyncio
import secrets
from typing import Any
from uuid import UUID

import pytest

from tests.plugins.export.connections.place import (
    EMAIL,
    Place,
    audited,
    by_token,
    mia,
    new_connection,
    opened,
    stored,
)
from ticketgen.domain.secrets import count_by_key, list_secrets
from ticketgen.runtime import Runtime
from ticketgen.testing import Api
from ticketgen_export.connections.access import Access
from ticketgen_export.connections.renewing import Renewer
from ticketgen_export.connections.sites import basic
from ticketgen_export.errors import (
    ChooseConnectionError,
    ConnectionLostError,
    NoConnectionError,
)
from ticketgen_export.jira_stub import ALL_PERMISSIONS, Fault, FaultKind

pytestmark = pytest.mark.services


async def _kept(runtime: Runtime) -> int:
    async with runtime.session_factory() as db:
        return sum((await count_by_key(db)).values())


async def test_a_token_that_the_site_takes_is_kept(api: Api, place: Place) -> None:
    made = await by_token(api, place)

    listed = (await api.client.get("/api/export/connections")).json()
    read = (await api.client.get(f"/api/export/connections/{made['id']}")).json()
    assert listed == [made] == [read]
    assert (made["kind"], made["account_name"], made["email"]) == ("api_token", "Mia Moor", EMAIL)
    assert made["site_url"] == place.url
    assert made["checked_at"] is not None
    assert "token" not in made
    assert await _kept(api.runtime) == 1


async def test_the_access_is_what_the_site_wants(api: Api, place: Place) -> None:
    made = await by_token(api, place)

    access = await opened(api).book.source(UUID(made["id"])).current()

    assert access == Access(
        api_url=place.url,
        site_url=place.url,
        authorization=basic(EMAIL, place.token),
        scopes=None,
    )
    assert place.token not in repr(access)
    assert access.authorization not in repr(access)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"token": secrets.token_urlsafe(24)}, 422, "export.site_refused"),
        ({"email": "otto@example.org"}, 422, "export.site_refused"),
        ({"site_url": "http://jira.example.org"}, 422, "export.site_address"),
        ({"site_url": "https://127.0.0.1:9"}, 422, "export.site_refused"),
        ({"site_url": "https://0xa9fea9fe"}, 422, "export.site_address"),
        ({"email": "no address"}, 422, "invalid_input"),
        ({"email": "a\x00@example.org"}, 422, "invalid_input"),
        ({"name": "a\x00b"}, 422, "invalid_input"),
    ],
)
async def test_what_the_site_does_not_take_is_not_kept(
    api: Api, place: Place, changes: dict[str, Any], status: int, code: str
) -> None:
    body = new_connection(place, **changes)

    answer = await api.client.post("/api/export/connections", json=body)

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert problem["recovery_actions"]
    assert body["token"] not in answer.text
    assert (await api.client.get("/api/export/connections")).json() == []
    assert await _kept(api.runtime) == 0


async def test_a_failure_to_connect_does_not_tell_what_there_is_at_an_address(
    api: Api, place: Place
) -> None:
    me = "GET /rest/api/3/myself"
    kinds = [FaultKind.UNAVAILABLE, FaultKind.DROP_BEFORE, FaultKind.HTML_PAGE_AFTER]
    nobody = new_connection(place, site_url="http://127.0.0.1:9")

    answers = [await api.client.post("/api/export/connections", json=nobody)]
    for kind in kinds:
        place.stub.add_faults(Fault(kind=kind, on=me))
        answers.append(await api.client.post("/api/export/connections", json=new_connection(place)))

    problems = [answer.json() for answer in answers]
    told = {
        (one["status"], one["code"], one["detail"].partition(" ")[2], *one["recovery_actions"])
        for one in problems
    }
    assert len(told) == 1, told
    assert "does not answer as a Jira Cloud site does" in problems[0]["detail"]


@pytest.mark.parametrize("kind", [FaultKind.HTML_PAGE_AFTER, FaultKind.TRUNCATED])
async def test_a_site_that_answers_nonsense_is_no_site_of_jira(
    api: Api, place: Place, kind: FaultKind
) -> None:
    place.stub.add_faults(Fault(kind=kind, on="GET /rest/api/3/myself"))

    answer = await api.client.post("/api/export/connections", json=new_connection(place))

    assert answer.json()["code"] == "export.site_refused"


async def test_a_redirect_is_not_followed_because_it_would_carry_the_token_along(
    api: Api, place: Place
) -> None:
    seen: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        target = f"{place.url}/rest/api/3/myself".encode()
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(elsewhere, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        body = new_connection(place, site_url=f"http://127.0.0.1:{port}")
        answer = await api.client.post("/api/export/connections", json=body)

    assert answer.json()["code"] == "export.site_refused"
    assert "redirects are not followed" in answer.text
    assert len(seen) == 1
    assert place.stub.requests["GET /rest/api/3/myself"] == 0


async def test_a_connection_is_its_users_alone(api: Api, place: Place) -> None:
    made = await by_token(api, place)
    address = f"/api/export/connections/{made['id']}"
    other, admin = api.bearing(api.other_token), api.as_admin

    foreign = [
        await api.client.get(address, headers=other),
        await api.client.post(f"{address}/check", headers=other),
        await api.client.delete(address, headers=other),
        await api.client.post(f"{address}/check", headers=admin),
    ]
    nobody = await api.client.get(address, headers={"Authorization": "Bearer x"})
    seen_by_other = (await api.client.get("/api/export/connections", headers=other)).json()
    seen_by_admin = (await api.client.get("/api/export/connections", headers=admin)).json()
    deleted = await api.client.delete(address, headers=admin)

    assert [answer.status_code for answer in foreign] == [404] * 4
    assert nobody.status_code == 401
    assert seen_by_other == []
    assert seen_by_admin == [made]
    assert deleted.json() == {"revoked": False}
    assert await _kept(api.runtime) == 0


async def test_a_check_tells_what_the_account_may_do_in_a_project(api: Api, place: Place) -> None:
    made = await by_token(api, place)
    place.stub.add_account(
        EMAIL,
        place.token,
        "Mia Moor-Lake",
        in_projects={"HM": ALL_PERMISSIONS - {"CREATE_ATTACHMENTS"}},
    )
    address = f"/api/export/connections/{made['id']}/check"

    plain = (await api.client.post(address)).json()
    in_project = (await api.client.post(address, json={"project_key": "HM"})).json()
    in_none = (await api.client.post(address, json={"project_key": "NO"})).json()

    assert plain["connection"]["account_name"] == "Mia Moor-Lake"
    assert (plain["project_found"], plain["permissions"]) == (None, {})
    assert in_project["project_found"] is True
    assert in_project["missing"] == ["CREATE_ATTACHMENTS"]
    assert in_project["permissions"]["CREATE_ISSUES"] is True
    assert (in_none["project_found"], in_none["missing"]) == (False, [])


async def test_a_token_that_is_refused_later_loses_the_connection_until_a_check_goes_well(
    api: Api, place: Place
) -> None:
    made = await by_token(api, place)
    source = opened(api).book.source(UUID(made["id"]))
    access = await source.current()
    place.stub.add_account(EMAIL, secrets.token_urlsafe(24), "Mia Moor")

    with pytest.raises(ConnectionLostError) as refused:
        await source.renewed(access)
    with pytest.raises(ConnectionLostError):
        await source.current()
    lost = (await api.client.get(f"/api/export/connections/{made['id']}")).json()
    place.stub.add_account(EMAIL, place.token, "Mia Moor")
    again = await api.client.post(f"/api/export/connections/{made['id']}/check")

    assert "onnect again" in refused.value.recovery_actions[0]
    assert lost["lost_at"] is not None
    assert "API token" in lost["lost_reason"]
    assert again.json()["connection"]["lost_at"] is None
    assert (await source.current()) == access


async def test_an_old_token_that_is_refused_does_not_lose_what_was_connected_again(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await by_token(api, place)
    source = opened(api).book.source(UUID(made["id"]))
    old = await source.current()
    place.token = secrets.token_urlsafe(24)
    place.stub.add_account(EMAIL, place.token, "Mia Moor")

    async def asked_while_the_user_connects_again(_renewer: Renewer, access: Access) -> bool:
        await by_token(api, place)
        return access.authorization != old.authorization

    monkeypatch.setattr(Renewer, "is_taken", asked_while_the_user_connects_again)

    access = await source.renewed(old)

    assert access.authorization == basic(EMAIL, place.token)
    assert (await stored(api.runtime, made)).lost_at is None
    assert "connection.lost" not in [entry.action for entry in await audited(api.runtime)]


async def test_a_connection_that_was_deleted_during_a_run_says_what_to_do(
    api: Api, place: Place
) -> None:
    made = await by_token(api, place)
    source = opened(api).book.source(UUID(made["id"]))
    await api.client.delete(f"/api/export/connections/{made['id']}")

    with pytest.raises(ConnectionLostError, match="deleted") as refused:
        await source.current()

    assert refused.value.recovery_actions == ("Connect again, then start the export again.",)


async def test_one_refusal_does_not_lose_a_token_that_the_site_still_takes(
    api: Api, place: Place
) -> None:
    made = await by_token(api, place)
    source = opened(api).book.source(UUID(made["id"]))
    access = await source.current()

    again = await source.renewed(access)

    assert again == access
    assert (await stored(api.runtime, made)).lost_at is None


async def test_a_check_with_a_token_that_was_revoked_says_that_it_is_lost(
    api: Api, place: Place
) -> None:
    made = await by_token(api, place)
    place.stub.add_account(EMAIL, secrets.token_urlsafe(24), "Mia Moor")

    answer = await api.client.post(f"/api/export/connections/{made['id']}/check")

    assert (answer.status_code, answer.json()["code"]) == (409, "export.connection_lost")
    assert (await stored(api.runtime, made)).lost_at is not None


async def test_who_connects_again_goes_on_with_the_same_connection(api: Api, place: Place) -> None:
    made = await by_token(api, place, name="Harbour")
    old = place.token
    place.token = secrets.token_urlsafe(24)
    place.stub.add_account(EMAIL, place.token, "Mia Moor")
    lost = await api.client.post(f"/api/export/connections/{made['id']}/check")

    again = await by_token(api, place)

    listed = (await api.client.get("/api/export/connections")).json()
    access = await opened(api).book.source(UUID(made["id"])).current()
    assert lost.status_code == 409
    assert [again] == listed
    assert (again["id"], again["name"], again["lost_at"]) == (made["id"], "Harbour", None)
    assert access.authorization == basic(EMAIL, place.token)
    assert access.authorization != basic(EMAIL, old)
    assert await _kept(api.runtime) == 1


async def test_without_a_name_the_only_good_connection_is_picked(api: Api, place: Place) -> None:
    user, book = await mia(api.runtime), opened(api).book

    async with api.runtime.session_factory() as db:
        with pytest.raises(NoConnectionError):
            await book.pick(db, user.id)
    first = await by_token(api, place)
    async with api.runtime.session_factory() as db:
        only = await book.pick(db, user.id)
    place.stub.add_account("mia@two.example", place.token, "Mia Too")
    second = await by_token(api, place, name="Second", email="mia@two.example")
    async with api.runtime.session_factory() as db:
        with pytest.raises(ChooseConnectionError) as several:
            await book.pick(db, user.id)
        named = await book.pick(db, user.id, UUID(second["id"]))

    assert only.id == UUID(first["id"])
    assert named.name == "Second"
    [shown] = [one for one in several.value.recovery_actions if first["id"] in one]
    assert first["name"] in shown
    assert f"--option connection={first['id']}" in shown
    assert f'"options": {{"connection": "{first["id"]}"}}' in shown


async def test_every_change_is_audited(api: Api, place: Place) -> None:
    made = await by_token(api, place)
    await api.client.post(f"/api/export/connections/{made['id']}/check")
    await api.client.delete(f"/api/export/connections/{made['id']}", headers=api.as_admin)

    entries = await audited(api.runtime)

    user = await mia(api.runtime)
    assert [(entry.action, entry.actor_id == user.id) for entry in entries] == [
        ("connection.created", True),
        ("connection.checked", True),
        ("connection.deleted", False),
    ]
    assert {entry.subject for entry in entries} == {made["id"]}


async def test_the_tokens_go_with_the_user(api: Api, place: Place) -> None:
    await by_token(api, place)
    async with api.runtime.session_factory() as db:
        before = await list_secrets(db, plugin="export")
        await db.delete(await db.merge(await mia(api.runtime)))
        await db.commit()

    assert len(before) == 1
    assert await _kept(api.runtime) == 0
