from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from uuid_utils.compat import uuid7

from ticketgen.domain import tokens, users
from ticketgen.domain.tokens import ApiToken, StreamPass
from ticketgen.domain.users import Role, User
from ticketgen.errors import AuthenticationError, ConflictError, NotFoundError
from ticketgen.runtime import Runtime

pytestmark = pytest.mark.services

HOUR = timedelta(hours=1)


async def _token(runtime: Runtime, *, lifetime: timedelta = HOUR) -> tuple[User, ApiToken, str]:
    async with runtime.session_factory() as db:
        user = await users.create_user(db, name=f"u{uuid7()}", role=Role.MEMBER)
        token, secret = await tokens.create_token(db, user=user, name="t", lifetime=lifetime)
        await db.commit()
    return user, token, secret


async def _whose(runtime: Runtime, secret: str) -> User:
    async with runtime.session_factory() as db:
        user = await tokens.authenticate(db, secret)
        await db.commit()
        return user


async def test_a_token_speaks_for_its_user(runtime: Runtime) -> None:
    user, _, secret = await _token(runtime)

    found = await _whose(runtime, secret)

    assert found.id == user.id


async def test_only_the_hash_of_a_token_is_stored(runtime: Runtime) -> None:
    _, token, secret = await _token(runtime)

    async with runtime.engine.connect() as connection:
        row = (await connection.execute(text("SELECT * FROM api_tokens"))).one()

    assert secret.startswith("tg_")
    assert len(token.token_hash) == 32
    assert not [value for value in row if secret[3:] in str(value)]


@pytest.mark.parametrize("secret", ["", "tg_", "tg_x", "x" * 100_000, "a\x00b", "é"])
async def test_a_secret_that_is_none_speaks_for_nobody(runtime: Runtime, secret: str) -> None:
    await _token(runtime)

    with pytest.raises(AuthenticationError):
        await _whose(runtime, secret)


async def test_an_expired_token_speaks_for_nobody(runtime: Runtime) -> None:
    _, _, secret = await _token(runtime, lifetime=timedelta(0))

    with pytest.raises(AuthenticationError, match="expired"):
        await _whose(runtime, secret)


async def test_a_revoked_token_speaks_for_nobody_and_revoking_twice_is_fine(
    runtime: Runtime,
) -> None:
    _, token, secret = await _token(runtime)
    async with runtime.session_factory() as db:
        await tokens.revoke_token(db, token.id)
        await tokens.revoke_token(db, token.id)
        await db.commit()

    with pytest.raises(AuthenticationError, match="revoked"):
        await _whose(runtime, secret)


async def test_a_token_of_a_disabled_user_speaks_for_nobody(runtime: Runtime) -> None:
    user, _, secret = await _token(runtime)
    async with runtime.session_factory() as db:
        await db.execute(update(User).where(User.id == user.id).values(disabled_at=func.now()))
        await db.commit()

    with pytest.raises(AuthenticationError):
        await _whose(runtime, secret)


async def test_the_use_of_a_token_is_noted(runtime: Runtime) -> None:
    _, token, secret = await _token(runtime)

    await _whose(runtime, secret)

    async with runtime.session_factory() as db:
        used = await db.scalar(select(ApiToken.last_used_at).where(ApiToken.id == token.id))
    assert used is not None


async def test_a_long_request_does_not_hold_up_the_next_of_the_same_token(
    runtime: Runtime,
) -> None:
    user, _, secret = await _token(runtime)

    async with runtime.session_factory() as long:
        await tokens.authenticate(long, secret)
        async with asyncio.timeout(60):
            found = await _whose(runtime, secret)

    assert found.id == user.id


async def test_a_pass_opens_its_own_channel_again_and_again_and_no_other(
    runtime: Runtime,
) -> None:
    user, _, _ = await _token(runtime)
    async with runtime.session_factory() as db:
        _, secret = await tokens.create_stream_pass(db, user=user, channel="a", lifetime=HOUR)
        await db.commit()

        first = await tokens.open_stream_pass(db, secret=secret, channel="a")
        second = await tokens.open_stream_pass(db, secret=secret, channel="a")

        assert first.id == second.id == user.id
        with pytest.raises(AuthenticationError):
            await tokens.open_stream_pass(db, secret=secret, channel="b")


async def test_an_expired_pass_opens_nothing(runtime: Runtime) -> None:
    user, _, _ = await _token(runtime)
    async with runtime.session_factory() as db:
        _, secret = await tokens.create_stream_pass(
            db, user=user, channel="a", lifetime=timedelta(0)
        )

        with pytest.raises(AuthenticationError):
            await tokens.open_stream_pass(db, secret=secret, channel="a")


async def test_a_token_is_no_pass_and_a_pass_no_token(runtime: Runtime) -> None:
    user, _, token = await _token(runtime)
    async with runtime.session_factory() as db:
        _, stream_pass = await tokens.create_stream_pass(db, user=user, channel="a", lifetime=HOUR)

        with pytest.raises(AuthenticationError):
            await tokens.open_stream_pass(db, secret=token, channel="a")
        with pytest.raises(AuthenticationError):
            await tokens.authenticate(db, stream_pass)


async def test_what_ended_long_ago_is_deleted_and_what_lives_stays(runtime: Runtime) -> None:
    user, living, _ = await _token(runtime)
    _, dead, _ = await _token(runtime, lifetime=timedelta(hours=-2))
    async with runtime.session_factory() as db:
        await tokens.create_stream_pass(db, user=user, channel="a", lifetime=-HOUR)

        deleted = await tokens.delete_expired_tokens(db, grace=HOUR, limit=10)

        left = list(await db.scalars(select(ApiToken.id)))
        assert deleted == 1
        assert left == [living.id]
        assert dead.id not in left
        assert list(await db.scalars(select(StreamPass))) == []


async def test_an_unknown_token_cannot_be_revoked(runtime: Runtime) -> None:
    async with runtime.session_factory() as db:
        with pytest.raises(NotFoundError):
            await tokens.revoke_token(db, uuid7())


async def test_two_users_cannot_have_one_name(runtime: Runtime) -> None:
    async with runtime.session_factory() as db:
        await users.create_user(db, name="mia", role=Role.MEMBER)

        with pytest.raises(ConflictError, match="mia"):
            await users.create_user(db, name="mia", role=Role.ADMIN)


async def test_a_user_nobody_knows_is_not_found(runtime: Runtime) -> None:
    async with runtime.session_factory() as db:
        with pytest.raises(NotFoundError, match="nobody"):
            await users.get_user_by_name(db, "nobody")
