from __future__ import annotations

import asyncio
import io
import logging
import secrets as random_secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select, update
from typer.testing import CliRunner, Result

from ticketgen import Vault
from ticketgen.cli.main import app
from ticketgen.database import database_time, new_id
from ticketgen.domain import secrets, users
from ticketgen.domain.secrets import Secret
from ticketgen.domain.users import User
from ticketgen.errors import ConfigurationError, NotFoundError
from ticketgen.runtime import Runtime
from ticketgen.sealing import KeyRing, fingerprint, new_key
from ticketgen.testing import Api
from ticketgen.vault import Resealed, SecretNotOpenedError, reseal_batch

pytestmark = pytest.mark.services

OLD, NEW = new_key(), new_key()


def _vault(*keys: str, plugin: str = "acme") -> Vault:
    return Vault(plugin=plugin, keys=KeyRing(keys))


def _token() -> str:
    return random_secrets.token_urlsafe(24)


async def _user(runtime: Runtime, name: str) -> User:
    async with runtime.unit_of_work() as work:
        return await users.create_user(work.db, name=name, role=users.Role.MEMBER)


async def _keep(runtime: Runtime, vault: Vault, name: str, value: str, **more: Any) -> None:
    async with runtime.unit_of_work() as work:
        await vault.keep(work.db, name, value, **more)


async def _read(runtime: Runtime, vault: Vault, name: str, **more: Any) -> str:
    async with runtime.unit_of_work() as work:
        return await vault.read(work.db, name, **more)


async def _stored(runtime: Runtime) -> Sequence[Any]:
    async with runtime.session_factory() as db:
        rows = await db.execute(select(Secret.name, Secret.sealed, Secret.key_id))
        return rows.all()


async def test_a_secret_comes_back_and_is_not_what_is_stored(runtime: Runtime) -> None:
    token = _token()

    await _keep(runtime, _vault(NEW), "token", token)

    [(name, sealed, key_id)] = await _stored(runtime)
    assert await _read(runtime, _vault(NEW), "token") == token
    assert (name, key_id) == ("token", fingerprint(NEW))
    assert token.encode() not in sealed


async def test_a_name_has_one_secret_and_the_last_one_counts(runtime: Runtime) -> None:
    mia = await _user(runtime, "vera")
    vault = _vault(NEW)
    for user_id in (None, mia.id):
        for value in ("first", "second"):
            await _keep(runtime, vault, "token", f"{value} of {user_id}", user_id=user_id)

    stored = await _stored(runtime)

    assert len(stored) == 2
    assert await _read(runtime, vault, "token") == "second of None"
    assert await _read(runtime, vault, "token", user_id=mia.id) == f"second of {mia.id}"


async def test_what_was_forgotten_or_never_kept_is_not_there(runtime: Runtime) -> None:
    vault = _vault(NEW)
    await _keep(runtime, vault, "token", "x")

    async with runtime.unit_of_work() as work:
        gone = [await _vault().forget(work.db, "token") for _ in range(2)]

    assert gone == [True, False]
    with pytest.raises(NotFoundError, match="'token'"):
        await _read(runtime, vault, "token")


async def test_a_plugin_does_not_see_the_secrets_of_another(runtime: Runtime) -> None:
    await _keep(runtime, _vault(NEW), "token", "x")

    with pytest.raises(NotFoundError):
        await _read(runtime, _vault(NEW, plugin="other"), "token")


@pytest.mark.parametrize("moved", ["plugin", "name", "user_id"])
async def test_a_row_that_is_copied_to_another_place_does_not_open(
    runtime: Runtime, moved: str
) -> None:
    ours, theirs = await _user(runtime, "olga"), await _user(runtime, "paul")
    await _keep(runtime, _vault(NEW), "token", "of olga", user_id=ours.id)
    place = {"plugin": "acme", "name": "token", "user_id": ours.id}
    place |= {moved: {"plugin": "other", "name": "more", "user_id": theirs.id}[moved]}
    async with runtime.unit_of_work() as work:
        sealed = await work.db.scalar(select(Secret.sealed))
        await work.db.execute(
            insert(Secret).values(id=new_id(), sealed=sealed, key_id=fingerprint(NEW), **place)
        )

    with pytest.raises(SecretNotOpenedError, match="moved or copied"):
        await _read(
            runtime,
            _vault(NEW, plugin=str(place["plugin"])),
            str(place["name"]),
            user_id=place["user_id"],
        )


async def test_every_key_opens_and_the_first_one_seals(runtime: Runtime) -> None:
    await _keep(runtime, _vault(OLD), "old", "1")
    both = _vault(NEW, OLD)

    await _keep(runtime, both, "new", "2")

    assert await _read(runtime, both, "old") == "1"
    assert await _read(runtime, _vault(NEW), "new") == "2"
    with pytest.raises(SecretNotOpenedError) as refused:
        await _read(runtime, _vault(NEW), "old")
    assert "TICKETGEN_SECRET_KEYS" in refused.value.recovery_actions[0]
    assert OLD not in str(vars(refused.value))


async def test_without_a_key_nothing_is_kept_and_the_message_says_how_to_make_one(
    runtime: Runtime,
) -> None:
    await _keep(runtime, _vault(NEW), "there", "1")

    for failing in (_keep(runtime, _vault(), "token", "x"), _read(runtime, _vault(), "there")):
        with pytest.raises(ConfigurationError) as refused:
            await failing
        assert "ticketgen secrets new-key" in refused.value.recovery_actions[0]

    assert len(await _stored(runtime)) == 1


async def test_a_change_of_keys_goes_on_where_it_was_stopped(runtime: Runtime) -> None:
    for number in range(5):
        await _keep(runtime, _vault(OLD), f"token {number}", str(number))
    ring = KeyRing((NEW, OLD))
    async with runtime.unit_of_work() as work:
        first = await reseal_batch(work.db, ring, limit=2)

    async with runtime.unit_of_work() as work:
        rest = await reseal_batch(work.db, ring, limit=10)
        nothing = await reseal_batch(work.db, ring, after=rest.last, limit=10)

    assert (first.done, rest.done, nothing.done, nothing.last) == (2, 3, 0, None)
    assert [await _read(runtime, _vault(NEW), f"token {n}") for n in range(5)] == list("01234")


async def test_a_change_of_keys_leaves_alone_what_it_cannot_open(runtime: Runtime) -> None:
    await _keep(runtime, _vault(OLD), "good", "1")
    await _keep(runtime, _vault(OLD), "damaged", "2")
    await _keep(runtime, _vault(new_key()), "foreign", "3")
    async with runtime.unit_of_work() as work:
        await work.db.execute(
            update(Secret).where(Secret.name == "damaged").values(sealed=b"gAAAAA-nothing")
        )

    async with runtime.unit_of_work() as work:
        batch = await reseal_batch(work.db, KeyRing((NEW, OLD)), limit=10)

    assert (batch.done, batch.damaged) == (1, 1)
    assert {key_id for name, _, key_id in await _stored(runtime) if name == "good"} == {
        fingerprint(NEW)
    }


async def test_what_is_damaged_does_not_stop_a_change_of_keys(runtime: Runtime) -> None:
    for name in ("damaged", "good"):
        await _keep(runtime, _vault(OLD), name, "1")
    async with runtime.unit_of_work() as work:
        await work.db.execute(update(Secret).where(Secret.name == "damaged").values(sealed=b"x"))
    ring = KeyRing((NEW, OLD))
    batches: list[Resealed] = []

    async with runtime.unit_of_work() as work:
        for _ in range(3):
            after = batches[-1].last if batches else None
            batches.append(await reseal_batch(work.db, ring, after=after, limit=1))

    assert [(batch.done, batch.damaged) for batch in batches] == [(0, 1), (1, 0), (0, 0)]
    assert batches[-1].last is None


async def test_secrets_of_a_user_go_with_the_user_and_are_listed_without_values(
    runtime: Runtime,
) -> None:
    vera, token = await _user(runtime, "vera"), _token()
    await _keep(runtime, _vault(NEW), "token", token, user_id=vera.id)
    async with runtime.unit_of_work() as work:
        listed = await secrets.list_secrets(work.db, plugin="acme", user_id=vera.id)
        await work.db.delete(await work.db.get(User, vera.id))

    assert [line.name for line in listed] == ["token"]
    assert token not in repr(listed)
    assert await _stored(runtime) == []


async def test_what_expired_long_ago_is_deleted(runtime: Runtime) -> None:
    async with runtime.unit_of_work() as work:
        now = await database_time(work.db)
        for name, days in (("old", -31), ("recent", -29), ("good", 1)):
            await _vault(NEW).keep(work.db, name, "x", expires_at=now + timedelta(days=days))
        await _vault(NEW).keep(work.db, "for ever", "x")
    grace = timedelta(days=30)

    async with runtime.unit_of_work() as work:
        counted = await secrets.count_expired_secrets(work.db, grace=grace, limit=10)
        deleted = await secrets.delete_expired_secrets(work.db, grace=grace, limit=10)

    assert (counted, deleted) == (1, 1)
    assert {name for name, _, _ in await _stored(runtime)} == {"recent", "good", "for ever"}


def _with_keys(runtime: Runtime, environment: pytest.MonkeyPatch, *keys: str) -> pytest.MonkeyPatch:
    settings = runtime.settings.model_copy(
        update={"secret_keys": tuple(SecretStr(key) for key in keys)}
    )
    environment.setattr("ticketgen.runtime.attached_settings", lambda: settings)
    environment.setenv("COLUMNS", "120")
    return environment


async def _done(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["secrets", *arguments])


async def test_the_command_changes_keys_and_the_status_says_so(
    runtime: Runtime, clean_environment: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await _keep(runtime, _vault(OLD), f"token {number}", str(number))
    _with_keys(runtime, clean_environment, NEW)
    missing = await _done("status")
    _with_keys(runtime, clean_environment, NEW, OLD)

    rotated = await _done("rotate")
    status = await _done("status")

    assert missing.exit_code == 1
    assert "3 cannot be opened" in missing.stdout
    assert rotated.exit_code == 0, rotated.output
    assert "Sealed 3" in rotated.stdout
    assert status.exit_code == 0
    assert f"{fingerprint(NEW)}       3  seals and opens" in status.stdout
    assert f"{fingerprint(OLD)}       0  opens" in status.stdout
    assert await _read(runtime, _vault(NEW), "token 1") == "1"
    for key in (OLD, NEW):
        assert key not in missing.output + rotated.output + status.output


async def test_a_change_of_keys_that_leaves_something_behind_is_no_success(
    runtime: Runtime, clean_environment: pytest.MonkeyPatch
) -> None:
    await _keep(runtime, _vault(OLD), "token", "x")
    _with_keys(runtime, clean_environment, NEW)

    rotated = await _done("rotate")

    assert rotated.exit_code == 1
    assert "1 whose key is not here" in rotated.output


async def test_readiness_tells_of_secrets_that_no_key_opens(runtime: Runtime, api: Api) -> None:
    well = (await api.client.get("/health/ready")).json()
    await _keep(runtime, _vault(OLD), "token", "x")

    answer = await api.client.get("/health/ready")

    assert {"name": "secrets", "ok": True, "message": ""} in well["checks"]
    [check] = [one for one in answer.json()["checks"] if one["name"] == "secrets"]
    assert check["ok"] is False
    assert "1 secrets of other systems" in check["message"]
    assert answer.status_code == 200


async def test_no_log_line_shows_a_secret_or_a_key(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    token = _token()
    caplog.set_level(logging.DEBUG)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    try:
        await _keep(runtime, _vault(NEW), "token", token)
        read = await _read(runtime, _vault(NEW), "token")
    finally:
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)

    said = io.StringIO()
    said.write(caplog.text)
    said.write(repr(runtime.vault("acme")) + repr(runtime.settings) + repr(_vault(NEW)))
    assert read == token
    assert "secrets" in caplog.text
    for secret in (token, NEW, runtime.keys.keys[0]):
        assert secret not in said.getvalue()
