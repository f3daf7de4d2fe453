from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from tests.plugins.export.connections.place import (
    Place,
    audited,
    by_oauth,
    expire,
    opened,
    stored,
)
from ticketgen.domain import secrets as secrets_table
from ticketgen.ports import Role
from ticketgen.runtime import open_runtime
from ticketgen.testing import Api
from ticketgen_export.connections import renewing
from ticketgen_export.connections.access import AccessSource
from ticketgen_export.connections.stored import Connection
from ticketgen_export.connections.tokens import Tokens, read_tokens
from ticketgen_export.errors import (
    ConnectionLostError,
    OAuthNotSetUpError,
    SiteUnreachableError,
)
from ticketgen_export.jira_stub import Fault, FaultKind
from ticketgen_export.state import open_state

pytestmark = pytest.mark.services

DAY = timedelta(days=1)


def _source(api: Api, connection: dict[str, Any]) -> AccessSource:
    return opened(api).book.source(UUID(connection["id"]))


async def _tokens(api: Api, connection: dict[str, Any]) -> Tokens:
    vault = api.runtime.vault("export")
    async with api.runtime.session_factory() as db:
        kept = await vault.read(
            db, f"connection:{connection['id']}", user_id=UUID(connection["user_id"])
        )
    return Tokens.model_validate_json(kept)


async def _keep(api: Api, connection: dict[str, Any], tokens: Tokens) -> None:
    vault = api.runtime.vault("export")
    async with api.runtime.unit_of_work() as work:
        await vault.keep(
            work.db,
            f"connection:{connection['id']}",
            tokens.model_dump_json(),
            user_id=UUID(connection["user_id"]),
        )


async def test_access_that_is_good_is_given_without_asking(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    asked = place.refreshes

    access = [await _source(api, made).current() for _ in range(3)]

    assert len({one.authorization for one in access}) == 1
    assert place.refreshes == asked


@pytest.mark.parametrize(("left", "renewed"), [(30, True), (50, True), (120, False)])
async def test_access_is_renewed_a_minute_before_it_expires(
    api: Api, place: Place, left: int, renewed: bool
) -> None:
    made = await by_oauth(api)
    before = await _source(api, made).current()
    now = func.extract("epoch", func.clock_timestamp())
    await expire(api.runtime, made, expires_at=func.floor(now) + left)

    after = await _source(api, made).current()

    assert (after.authorization != before.authorization) is renewed


async def test_a_renewal_keeps_both_new_tokens_and_gives_access_that_works(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    before = await _tokens(api, made)
    await expire(api.runtime, made)

    access = await _source(api, made).current()

    after, connection = await _tokens(api, made), await stored(api.runtime, made)
    checked = await api.client.post(f"/api/export/connections/{made['id']}/check")
    assert access.authorization == f"Bearer {after.access_token}"
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token
    assert connection.renewal_id is None
    assert connection.expires_at is not None
    assert type(connection.expires_at) is int
    assert checked.status_code == 200


async def test_access_that_was_refused_is_renewed_at_once(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    source = _source(api, made)
    refused = await source.current()
    place.stub.oauth.expire_access_tokens()

    renewed = await source.renewed(refused)
    late = await source.renewed(refused)

    assert renewed.authorization != refused.authorization
    assert late == renewed
    assert place.refreshes == 2  # the code, and one renewal


async def test_access_that_is_refused_though_it_was_renewed_loses_the_connection(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    source = _source(api, made)
    second = await source.renewed(await source.current())
    asked = place.refreshes
    still_taken = await source.renewed(second)
    place.stub.oauth.expire_access_tokens()

    with pytest.raises(ConnectionLostError, match="just renewed"):
        await source.renewed(second)

    assert still_taken == second
    assert place.refreshes == asked
    assert (await stored(api.runtime, made)).lost_at is not None


async def test_access_that_runs_out_later_is_renewed_again(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    source = _source(api, made)
    second = await source.renewed(await source.current())
    place.stub.oauth.expire_access_tokens()

    third = await source.renewed(await source.current())

    assert third.authorization != second.authorization
    assert (await stored(api.runtime, made)).lost_at is None


async def test_many_at_once_in_several_processes_make_one_renewal(api: Api, place: Place) -> None:
    place.behave(latency_min=timedelta(milliseconds=200), latency_max=timedelta(milliseconds=250))
    made = await by_oauth(api)
    await expire(api.runtime, made)
    asked = place.refreshes

    async with AsyncExitStack() as stack:
        states = []
        for _ in range(4):
            runtime = await stack.enter_async_context(open_runtime(api.runtime.settings))
            host = runtime.host("export", Role.WORKER)
            states.append(await stack.enter_async_context(open_state(host)))
        sources = [state.book.source(UUID(made["id"])) for state in states for _ in range(3)]
        given = await asyncio.gather(*(source.current() for source in sources))

    assert place.refreshes == asked + 1
    assert len({access.authorization for access in given}) == 1


async def test_no_renewal_ends_between_the_reading_of_a_connection_and_of_its_tokens(
    api: Api, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await by_oauth(api)
    refused: list[str] = []

    async def looked_at(*arguments: Any) -> Tokens:
        async with api.runtime.session_factory() as db:
            row = select(Connection.id).where(Connection.id == UUID(made["id"]))
            try:
                await db.execute(row.with_for_update(nowait=True))
            except DBAPIError as error:
                refused.append(str(error.orig))
        return await read_tokens(*arguments)

    monkeypatch.setattr(renewing, "read_tokens", looked_at)

    access = await _source(api, made).current()

    assert access.authorization.startswith("Bearer ")
    assert len(refused) == 1
    assert "could not obtain lock" in refused[0]


async def test_a_refresh_token_that_was_used_before_ends_the_family_and_the_connection(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    old = await _tokens(api, made)
    await expire(api.runtime, made)
    await _source(api, made).current()
    await _keep(api, made, old)
    await expire(api.runtime, made)

    with pytest.raises(ConnectionLostError) as refused:
        await _source(api, made).current()

    shown = (await api.client.get(f"/api/export/connections/{made['id']}")).json()
    assert refused.value.status == 409
    assert "Connect again" in refused.value.recovery_actions[0]
    assert shown["lost_at"] is not None
    assert "refresh token" in shown["lost_reason"]
    assert all(grant.is_revoked for grant in place.stub.oauth.grants)
    assert "connection.lost" in [entry.action for entry in await audited(api.runtime)]


async def test_what_is_lost_is_not_asked_for_again(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    place.stub.oauth.revoke_grants()
    await expire(api.runtime, made)
    for _ in range(3):
        with pytest.raises(ConnectionLostError):
            await _source(api, made).current()

    asked = place.refreshes

    assert asked == 2  # the code, and one renewal


async def test_an_answer_that_was_lost_is_made_good_within_the_leeway(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    place.behave(refresh_leeway=timedelta(minutes=10))
    place.stub.add_faults(Fault(kind=FaultKind.DROP_AFTER, on="POST /oauth/token"))
    await expire(api.runtime, made)
    with pytest.raises(SiteUnreachableError):
        await _source(api, made).current()

    access = await _source(api, made).current()

    assert access.authorization == f"Bearer {(await _tokens(api, made)).access_token}"
    assert (await stored(api.runtime, made)).lost_at is None


async def test_an_answer_that_was_lost_loses_the_connection_without_a_leeway(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    place.stub.add_faults(Fault(kind=FaultKind.DROP_AFTER, on="POST /oauth/token"))
    await expire(api.runtime, made)
    with pytest.raises(SiteUnreachableError):
        await _source(api, made).current()

    with pytest.raises(ConnectionLostError):
        await _source(api, made).current()


@pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE, FaultKind.TRUNCATED])
async def test_a_server_that_fails_does_not_lose_the_connection(
    api: Api, place: Place, kind: FaultKind
) -> None:
    made = await by_oauth(api)
    place.behave(refresh_leeway=timedelta(minutes=10))
    place.stub.add_faults(Fault(kind=kind, on="POST /oauth/token"))
    await expire(api.runtime, made)

    with pytest.raises(SiteUnreachableError):
        await _source(api, made).current()

    connection = await stored(api.runtime, made)
    assert (connection.lost_at, connection.renewal_id) == (None, None)
    assert (await _source(api, made).current()).authorization.startswith("Bearer ")


async def test_a_wrong_secret_of_ours_does_not_lose_the_connection(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    await expire(api.runtime, made)
    del place.stub.oauth.clients[place.client.id]

    with pytest.raises(OAuthNotSetUpError):
        await _source(api, made).current()

    connection = await stored(api.runtime, made)
    assert (connection.lost_at, connection.renewal_id) == (None, None)


async def test_whoever_died_while_renewing_is_waited_for_until_the_lease_ends(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    soon = func.clock_timestamp() + timedelta(seconds=1)
    await expire(api.runtime, made, renewal_id=uuid4(), renewal_until=soon)
    asking = asyncio.create_task(_source(api, made).current())
    await asyncio.sleep(0.3)
    asked = place.refreshes

    access = await asking

    assert asked == 1  # the code alone
    assert place.refreshes == 2
    assert access.authorization.startswith("Bearer ")


async def test_a_run_that_is_cancelled_does_not_lose_the_new_tokens(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    before = await _tokens(api, made)
    await expire(api.runtime, made)
    place.behave(latency_min=timedelta(milliseconds=300), latency_max=timedelta(milliseconds=300))
    asking = asyncio.create_task(_source(api, made).current())
    await asyncio.sleep(0.15)
    asking.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asking
    await opened(api).connections._renewer.finish()

    after = await _tokens(api, made)
    assert after.refresh_token != before.refresh_token
    assert (await stored(api.runtime, made)).renewal_id is None


async def test_without_a_refresh_token_an_expired_connection_is_lost(
    api: Api, place: Place
) -> None:
    made = await by_oauth(api)
    tokens = await _tokens(api, made)
    await _keep(api, made, Tokens(access_token=tokens.access_token))
    await expire(api.runtime, made)

    with pytest.raises(ConnectionLostError, match="offline_access"):
        await _source(api, made).current()


async def test_tokens_that_were_cleaned_up_lose_the_connection(api: Api, place: Place) -> None:
    made = await by_oauth(api)
    async with api.runtime.unit_of_work() as work:
        gone = await secrets_table.delete_expired_secrets(work.db, grace=-100 * DAY, limit=9)

    with pytest.raises(ConnectionLostError, match="not kept"):
        await _source(api, made).current()

    assert gone == 1
    assert (await stored(api.runtime, made)).lost_at is not None
