from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, select, update

from tests.plugins.export.connections.place import (
    CALLBACK,
    Place,
    audited,
    back,
    begun,
    by_oauth,
    consented,
    opened,
)
from ticketgen.domain.secrets import count_by_key, list_secrets
from ticketgen.ports import Role
from ticketgen.runtime import Runtime, open_runtime
from ticketgen.settings import Settings
from ticketgen.testing import Api
from ticketgen_export.connections.oauth import SCOPES, _site
from ticketgen_export.connections.stored import PendingAuthorization
from ticketgen_export.errors import OAuthNotSetUpError
from ticketgen_export.jira_stub import Fault, FaultKind
from ticketgen_export.state import open_state

pytestmark = pytest.mark.services


async def _connections(api: Api) -> list[object]:
    found: list[object] = (await api.client.get("/api/export/connections")).json()
    return found


async def _pending(runtime: Runtime) -> int:
    async with runtime.session_factory() as db:
        return int(await db.scalar(select(func.count()).select_from(PendingAuthorization)) or 0)


async def _secrets(runtime: Runtime) -> int:
    async with runtime.session_factory() as db:
        return sum((await count_by_key(db)).values())


async def test_a_user_who_consents_has_a_connection_to_the_site(api: Api, place: Place) -> None:
    returned = await consented(await begun(api))

    answer = await back(api, **dict(returned))

    [made] = (await api.client.get("/api/export/connections")).json()
    assert answer.status_code == 200
    assert (made["kind"], made["site_url"], made["account_name"]) == (
        "oauth",
        place.url,
        "Mia Moor",
    )
    assert set(made["scopes"]) == set(SCOPES)
    assert (await _pending(api.runtime), await _secrets(api.runtime)) == (0, 1)


async def test_the_access_goes_by_the_gateway_with_the_token(api: Api, place: Place) -> None:
    made = await by_oauth(api)

    checked = await api.client.post(
        f"/api/export/connections/{made['id']}/check", json={"project_key": "HM"}
    )

    async with api.runtime.session_factory() as db:
        connection = await opened(api).book.pick(db, UUID(made["user_id"]))
    access = await opened(api).book.source(connection.id).current()
    assert checked.json()["missing"] == []
    assert access.api_url == f"{place.url}/ex/jira/{place.stub.site.cloud_id}"
    assert access.site_url == place.url
    assert access.authorization.startswith("Bearer ")
    assert access.scopes == frozenset(SCOPES)


async def test_the_browser_is_sent_with_a_fresh_state_and_challenge(api: Api) -> None:
    urls = [httpx2.URL(await begun(api)) for _ in range(2)]

    for url in urls:
        asked = url.params
        assert asked["redirect_uri"] == CALLBACK
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert len(base64.urlsafe_b64decode(asked["code_challenge"] + "=")) == 32
        assert len(asked["state"]) >= 43
        assert "offline_access" in asked["scope"].split()
    assert urls[0].params["state"] != urls[1].params["state"]
    assert urls[0].params["code_challenge"] != urls[1].params["code_challenge"]


async def test_only_a_hash_of_the_state_is_stored_and_the_verifier_is_sealed(api: Api) -> None:
    state = httpx2.URL(await begun(api)).params["state"]

    async with api.runtime.session_factory() as db:
        [pending] = await db.scalars(select(PendingAuthorization))
        [secret] = await list_secrets(db, plugin="export")

    assert pending.state_hash == hashlib.sha256(state.encode()).digest()
    assert secret.name == pending.secret_name
    assert secret.user_id == pending.user_id
    assert secret.expires_at == pending.expires_at
    assert pending.expires_at - pending.created_at <= timedelta(minutes=10)


async def test_the_page_holds_no_secret_and_no_script_and_is_not_kept_by_anybody(
    api: Api, place: Place
) -> None:
    place.stub.add_account("mia@example.org", place.token, "<script>alert(1)</script>")
    returned = await consented(await begun(api))

    answer = await back(api, **dict(returned))

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text
    assert f"<h1>mia, a user of ticketgen, is connected to {place.url}</h1>" in answer.text
    for secret in (*returned.values(), *place.secrets()):
        assert secret not in answer.text


async def test_a_state_is_good_once(api: Api, place: Place) -> None:
    returned = dict(await consented(await begun(api)))
    first = await back(api, **returned)
    asked = place.refreshes

    again = await back(api, **returned)
    with_new_code = await back(
        api, state=returned["state"], code=(await consented(await begun(api)))["code"]
    )

    assert first.status_code == 200
    assert [again.status_code, with_new_code.status_code] == [400, 400]
    assert "used before" in again.text
    assert place.refreshes == asked
    assert len(await _connections(api)) == 1


@pytest.mark.parametrize(
    "state",
    [None, "", "x", secrets.token_urlsafe(32)],
    ids=["none", "empty", "short", "of the right form"],
)
async def test_an_unknown_state_leads_to_nothing(api: Api, place: Place, state: str | None) -> None:
    code = (await consented(await begun(api)))["code"]

    answer = await back(api, code=code, **({} if state is None else {"state": state}))

    assert answer.status_code == 400
    assert place.refreshes == 0
    assert await _connections(api) == []


async def test_a_state_ends_after_ten_minutes(api: Api, place: Place) -> None:
    returned = dict(await consented(await begun(api)))
    async with api.runtime.session_factory() as db:
        await db.execute(
            update(PendingAuthorization).values(
                expires_at=PendingAuthorization.created_at - timedelta(seconds=1)
            )
        )
        await db.commit()

    answer = await back(api, **returned)

    assert answer.status_code == 400
    assert place.refreshes == 0
    assert (await _pending(api.runtime), await _secrets(api.runtime)) == (0, 0)


async def test_who_never_came_back_is_forgotten_when_somebody_begins(api: Api) -> None:
    for _ in range(3):
        await begun(api)
    async with api.runtime.session_factory() as db:
        await db.execute(
            update(PendingAuthorization).values(
                expires_at=PendingAuthorization.created_at - timedelta(seconds=1)
            )
        )
        await db.commit()

    await begun(api, api.bearing(api.other_token))

    assert (await _pending(api.runtime), await _secrets(api.runtime)) == (1, 1)


async def test_the_state_decides_whose_connection_it_is(api: Api) -> None:
    others = dict(await consented(await begun(api, api.bearing(api.other_token))))

    answer = await back(api, **others)

    assert answer.status_code == 200
    assert "otto can now" in answer.text
    assert await _connections(api) == []
    ottos = await api.client.get("/api/export/connections", headers=api.bearing(api.other_token))
    assert len(ottos.json()) == 1


async def test_a_code_with_the_state_of_another_user_is_refused(api: Api, place: Place) -> None:
    """A code that was stolen is of no use to a thief who began an authorization, too."""
    stolen = (await consented(await begun(api)))["code"]
    thiefs = httpx2.URL(await begun(api, api.bearing(api.other_token))).params["state"]

    answer = await back(api, code=stolen, state=thiefs)

    assert answer.status_code == 400
    assert "nothing was connected" in answer.text
    assert (await api.client.get("/api/export/connections", headers=api.as_admin)).json() == []


async def test_a_stolen_code_is_worth_nothing_without_its_verifier(api: Api, place: Place) -> None:
    code = (await consented(await begun(api)))["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "client_id": place.client.id,
        "client_secret": place.client.secret,
    }

    async with httpx2.AsyncClient() as thief:
        answer = await thief.post(f"{place.url}/oauth/token", data=form)

    assert answer.status_code == 403
    assert answer.json()["error"] == "invalid_grant"


async def test_who_does_not_consent_is_told_so_and_nothing_is_kept(api: Api, place: Place) -> None:
    place.behave(consent="deny")
    returned = dict(await consented(await begun(api)))

    answer = await back(api, **returned)

    assert returned["error"] == "access_denied"
    assert answer.status_code == 400
    assert "did not consent" in answer.text
    assert (await _pending(api.runtime), await _secrets(api.runtime)) == (0, 0)


async def test_without_a_code_and_an_error_nothing_is_connected(api: Api, place: Place) -> None:
    state = httpx2.URL(await begun(api)).params["state"]

    answer = await back(api, state=state)

    assert answer.status_code == 400
    assert place.refreshes == 0
    assert await _secrets(api.runtime) == 0


@pytest.mark.parametrize(
    "on",
    ["POST /oauth/token", "GET /oauth/token/accessible-resources", "GET /rest/api/3/myself"],
)
async def test_a_server_that_fails_on_the_way_back_leaves_nothing_behind(
    api: Api, place: Place, on: str
) -> None:
    returned = dict(await consented(await begun(api)))
    place.stub.add_faults(Fault(kind=FaultKind.UNAVAILABLE, on=on))

    answer = await back(api, **returned)

    assert answer.status_code == 503
    assert "Not connected" in answer.text
    assert await _connections(api) == []
    assert await _secrets(api.runtime) == 0


async def test_a_site_that_was_asked_for_and_not_granted_is_not_replaced_by_another(
    api: Api, place: Place
) -> None:
    wanted = await consented(await begun(api, site="https://other.atlassian.net"))
    granted = await consented(await begun(api, site=f"{place.url}/"))

    refused = await back(api, **dict(wanted))
    taken = await back(api, **dict(granted))

    assert refused.status_code == 400
    assert "other.atlassian.net" in refused.text
    assert place.url in refused.text
    assert taken.status_code == 200
    assert len(await _connections(api)) == 1


def test_the_site_of_a_consent_is_spelled_as_one_that_a_user_gives() -> None:
    item = {"id": "1", "url": "https://Harbour.atlassian.net.:443/", "scopes": []}

    site = _site(item, "https://api.atlassian.com")

    assert site is not None
    assert site.url == "https://harbour.atlassian.net"
    assert _site({**item, "url": "x"}, "https://api.atlassian.com") is None


async def test_a_logout_revokes_at_the_provider_and_forgets_here(api: Api, place: Place) -> None:
    made = await by_oauth(api)

    answer = await api.client.delete(f"/api/export/connections/{made['id']}")

    assert answer.json() == {"revoked": True}
    assert all(grant.is_revoked for grant in place.stub.oauth.grants)
    assert (await _connections(api), await _secrets(api.runtime)) == ([], 0)
    assert [entry.action for entry in await audited(api.runtime)] == [
        "connection.authorization_begun",
        "connection.created",
        "connection.deleted",
    ]


async def test_a_logout_works_though_the_provider_is_away(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    place.stub.add_faults(Fault(kind=FaultKind.DROP_BEFORE, on="POST /oauth/revoke"))

    answer = await api.client.delete(f"/api/export/connections/{made['id']}")

    assert answer.json() == {"revoked": False}
    assert (await _connections(api), await _secrets(api.runtime)) == ([], 0)


async def test_a_wrong_secret_of_the_application_is_the_administrators_to_mend(
    place: Place, settings: Settings, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET", secrets.token_urlsafe(9))

    async with open_runtime(settings) as runtime, open_state(runtime.host("export", Role.API)) as s:
        with pytest.raises(OAuthNotSetUpError) as refused:
            await s.connections._oauth.refresh("any")

    assert "TICKETGEN_EXPORT_OAUTH_CLIENT_SECRET" in refused.value.recovery_actions[0]


async def test_without_an_application_the_way_by_a_token_is_named(
    place: Place, settings: Settings, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.delenv("TICKETGEN_EXPORT_OAUTH_CLIENT_ID")

    async with open_runtime(settings) as runtime, open_state(runtime.host("export", Role.API)) as s:
        with pytest.raises(OAuthNotSetUpError) as refused:
            s.connections._oauth.authorize_url(state="s", verifier="v")

    assert "API token" in refused.value.recovery_actions[0]
