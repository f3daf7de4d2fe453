from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.plugins.export.jira_stub.site import Served, served
from ticketgen_export.jira_stub import Behaviour, Client, JiraStub

CALLBACK = "http://127.0.0.1:8000/callback"
CLASSIC = "read:jira-work write:jira-work read:jira-user offline_access"


def _asked(client: Client, **changes: str | None) -> dict[str, str]:
    usual = {
        "audience": "api.atlassian.com",
        "client_id": client.id,
        "scope": CLASSIC,
        "redirect_uri": CALLBACK,
        "state": "state-1",
        "response_type": "code",
        "prompt": "consent",
    }
    return {key: value for key, value in {**usual, **changes}.items() if value is not None}


async def _authorize(site: Served, client: Client, **changes: str | None) -> Mapping[str, str]:
    answer = await site.http.get("/authorize", params=_asked(client, **changes))
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(CALLBACK)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    return {key: value for key, [value] in query.items()}


async def _token(site: Served, client: Client, **body: Any) -> httpx2.Response:
    usual = {"client_id": client.id, "client_secret": client.secret}
    return await site.http.post("/oauth/token", json={**usual, **body})


async def _redeem(site: Served, client: Client, code: str, **body: Any) -> httpx2.Response:
    usual = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return await _token(site, client, **{**usual, **body})


async def _refresh(site: Served, client: Client, token: str) -> httpx2.Response:
    return await _token(site, client, grant_type="refresh_token", refresh_token=token)


async def _granted(site: Served, client: Client, **changes: str | None) -> Any:
    code = (await _authorize(site, client, **changes))["code"]
    return (await _redeem(site, client, code)).json()


async def _get(site: Served, path: str, token: str) -> int:
    answer = await site.http.get(
        f"/ex/jira/{site.stub.site.cloud_id}{path}",
        headers={"Authorization": f"Bearer {token}"},
        auth=None,
    )
    return answer.status_code


async def test_a_consent_leads_to_tokens_for_the_site() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)

        back = await _authorize(site, client)
        tokens = (await _redeem(site, client, back["code"])).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        sites = await site.http.get("/oauth/token/accessible-resources", headers=bearer, auth=None)

        assert back["state"] == "state-1"
        assert sites.json()[0]["id"] == site.stub.site.cloud_id
        assert sites.json()[0]["url"] == site.url
        assert set(sites.json()[0]["scopes"]) == set(CLASSIC.split()) - {"offline_access"}
        assert await _get(site, "/rest/api/3/project/DEMO", tokens["access_token"]) == 200


async def test_links_to_itself_lead_through_the_gateway() -> None:
    async with served() as site:
        tokens = await _granted(site, site.stub.register_client(CALLBACK))
        base = f"{site.url}/ex/jira/{site.stub.site.cloud_id}"

        answer = await site.http.get(
            f"{base}/rest/api/3/myself",
            headers={"Authorization": f"Bearer {tokens['access_token']}"},
            auth=None,
        )

        assert answer.json()["self"].startswith(base)


async def test_the_verifier_has_to_fit_the_challenge() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = {
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }

        codes = [(await _authorize(site, client, **challenge))["code"] for _ in range(3)]
        answers = [
            await _redeem(site, client, codes[0], code_verifier=verifier),
            await _redeem(site, client, codes[1], code_verifier=verifier + "x"),
            await _redeem(site, client, codes[2]),
        ]

        assert [answer.status_code for answer in answers] == [200, 403, 403]
        assert answers[1].json()["error"] == "invalid_grant"


async def test_a_code_is_good_once_for_its_client_and_for_a_while() -> None:
    async with served() as site:
        client, other = (site.stub.register_client(CALLBACK) for _ in range(2))
        codes = [(await _authorize(site, client))["code"] for _ in range(3)]
        await _redeem(site, client, codes[0])

        again = await _redeem(site, client, codes[0])
        foreign = await _redeem(site, other, codes[1])
        elsewhere = await _redeem(site, client, codes[2], redirect_uri=CALLBACK + "2")
        site.stub.behaviour = Behaviour(code_life=timedelta(0))
        late = await _redeem(site, client, (await _authorize(site, client))["code"])

        assert {one.status_code for one in (again, foreign, elsewhere, late)} == {403}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"audience": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"state": None}, "invalid_request"),
        ({"code_challenge": "x", "code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_what_is_asked_wrongly_goes_back_with_an_error(
    changes: dict[str, str | None], error: str
) -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)

        back = await _authorize(site, client, **changes)

        assert back["error"] == error
        assert "code" not in back


@pytest.mark.parametrize("changes", [{"redirect_uri": "http://evil.test/"}, {"client_id": "x"}])
async def test_nothing_is_sent_to_an_address_that_is_not_registered(
    changes: dict[str, str],
) -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)

        answer = await site.http.get("/authorize", params=_asked(client, **changes))

        assert answer.status_code == 400
        assert "location" not in answer.headers


async def test_a_person_may_refuse() -> None:
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(consent="deny"))
    async with served(stub) as site:
        back = await _authorize(site, site.stub.register_client(CALLBACK))

        assert (back["error"], back["state"]) == ("access_denied", "state-1")


async def test_the_one_who_consents_is_the_one_who_works() -> None:
    async with served() as site:
        grace = site.stub.add_account("grace@example.org", secrets.token_urlsafe(), "Grace")
        site.stub.consent_as("Grace@example.org")

        await _granted(site, site.stub.register_client(CALLBACK))

        assert [grant.account_id for grant in site.stub.oauth.grants] == [grace.account_id]


async def test_a_refresh_token_is_used_once_and_its_reuse_ends_the_whole_family() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)
        first = await _granted(site, client)
        other = await _granted(site, client)

        second = (await _refresh(site, client, first["refresh_token"])).json()
        before = await _get(site, "/rest/api/3/myself", second["access_token"])
        reused = await _refresh(site, client, first["refresh_token"])
        after = await _get(site, "/rest/api/3/myself", second["access_token"])
        dead = await _refresh(site, client, second["refresh_token"])

        assert (before, reused.status_code, after, dead.status_code) == (200, 403, 401, 403)
        assert reused.json()["error"] == "unauthorized_client"
        assert await _get(site, "/rest/api/3/myself", other["access_token"]) == 200


async def test_within_the_leeway_a_used_refresh_token_is_still_taken() -> None:
    now = 0.0
    stub = JiraStub(projects=["DEMO"], behaviour=Behaviour(refresh_leeway=timedelta(seconds=10)))
    stub.site.clock = lambda: now
    async with served(stub) as site:
        client = site.stub.register_client(CALLBACK)
        first = await _granted(site, client)
        await _refresh(site, client, first["refresh_token"])

        now = 10.0
        within = await _refresh(site, client, first["refresh_token"])
        now = 10.1
        after = await _refresh(site, client, first["refresh_token"])

        assert (within.status_code, after.status_code) == (200, 403)


async def test_tokens_end_with_their_time() -> None:
    now = 0.0
    stub = JiraStub(
        projects=["DEMO"],
        behaviour=Behaviour(
            access_token_life=timedelta(minutes=1), refresh_token_life=timedelta(minutes=2)
        ),
    )
    stub.site.clock = lambda: now
    async with served(stub) as site:
        client = site.stub.register_client(CALLBACK)
        tokens = await _granted(site, client)

        now = 60.0
        expired = await _get(site, "/rest/api/3/myself", tokens["access_token"])
        renewed = await _refresh(site, client, tokens["refresh_token"])
        now = 300.0
        late = await _refresh(site, client, renewed.json()["refresh_token"])

        assert tokens["expires_in"] == 60
        assert (expired, renewed.status_code, late.status_code) == (401, 200, 403)


async def test_without_offline_access_there_is_no_refresh_token() -> None:
    async with served() as site:
        tokens = await _granted(site, site.stub.register_client(CALLBACK), scope="read:jira-work")

        assert "refresh_token" not in tokens


async def test_a_token_reaches_what_its_scopes_name() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)
        classic = (await _granted(site, client))["access_token"]
        reader = (await _granted(site, client, scope="read:jira-work"))["access_token"]
        boards = "read:board-scope:jira-software read:project:jira"
        agile = (await _granted(site, client, scope=boards))["access_token"]

        assert await _get(site, "/rest/api/3/myself", classic) == 200
        assert await _get(site, "/rest/api/3/myself", reader) == 401
        assert await _get(site, "/rest/api/3/priority", reader) == 200
        assert await _get(site, "/rest/agile/1.0/board", classic) == 401
        assert await _get(site, "/rest/agile/1.0/board", agile) == 200
        written = await site.http.request(
            "POST",
            f"/ex/jira/{site.stub.site.cloud_id}/rest/api/3/issue",
            json={"fields": {}},
            headers={"Authorization": f"Bearer {reader}"},
            auth=None,
        )
        assert written.json()["message"] == "Unauthorized; scope does not match"


async def test_each_kind_of_access_is_taken_at_its_own_address_only() -> None:
    async with served() as site:
        token = (await _granted(site, site.stub.register_client(CALLBACK)))["access_token"]
        gateway = f"/ex/jira/{site.stub.site.cloud_id}"
        bearer = {"Authorization": f"Bearer {token}"}

        direct = await site.http.get("/rest/api/3/myself", headers=bearer, auth=None)
        basic = await site.http.get(f"{gateway}/rest/api/3/myself")
        elsewhere = await site.http.get(
            "/ex/jira/other/rest/api/3/myself", headers=bearer, auth=None
        )

        assert (direct.status_code, basic.status_code) == (401, 401)
        assert elsewhere.status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "access_denied"),
        ({"client_id": "nobody"}, 401, "access_denied"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 403, "invalid_grant"),
    ],
)
async def test_a_token_is_not_given_for_less(body: Any, status: int, error: str) -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)

        answer = await _token(site, client, **body)

        assert (answer.status_code, answer.json()["error"]) == (status, error)


async def test_tokens_are_given_for_a_form_too_and_are_revoked_by_one() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)
        form = {"client_id": client.id, "client_secret": client.secret}
        code = (await _authorize(site, client))["code"]
        ask = {**form, "grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        tokens = (await site.http.post("/oauth/token", data=ask)).json()

        revoked = [
            await site.http.post("/oauth/revoke", data={**form, "token": token})
            for token in ("unknown", tokens["refresh_token"])
        ]

        assert [answer.status_code for answer in revoked] == [200, 200]
        assert await _get(site, "/rest/api/3/myself", tokens["access_token"]) == 401


async def test_access_is_ended_from_outside() -> None:
    async with served() as site:
        client = site.stub.register_client(CALLBACK)
        tokens = await _granted(site, client)

        site.stub.oauth.expire_access_tokens()
        expired = await _get(site, "/rest/api/3/myself", tokens["access_token"])
        renewed = await _refresh(site, client, tokens["refresh_token"])
        site.stub.oauth.revoke_grants()
        withdrawn = await _refresh(site, client, renewed.json()["refresh_token"])

        assert (expired, renewed.status_code, withdrawn.status_code) == (401, 200, 403)
