"""How a caller proves who it is: tokens for programs, short passes for streams.

Only hashes are stored. A token has 256 random bits, so a plain SHA-256 of it is as hard to
reverse as the token is to guess; a slow password hash would add nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Function,
    LargeBinary,
    Select,
    String,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, database_time, new_id, statement_time
from ticketgen.domain.users import User
from ticketgen.errors import AuthenticationError, NotFoundError

__all__ = [
    "ApiToken",
    "StreamPass",
    "authenticate",
    "count_expired_tokens",
    "create_stream_pass",
    "create_token",
    "delete_expired_tokens",
    "list_tokens",
    "open_stream_pass",
    "revoke_token",
]

_PREFIX = "tg_"


class ApiToken(Base):
    """A long-lived secret of one user, stored as its hash."""

    __tablename__ = "api_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime] = mapped_column(index=True)
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class StreamPass(Base):
    """Opens one channel for a minute, where a client cannot send a header."""

    __tablename__ = "stream_passes"

    pass_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(300))
    expires_at: Mapped[datetime] = mapped_column(index=True)


def _hashed(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def create_token(
    db: AsyncSession, *, user: User, name: str, lifetime: timedelta
) -> tuple[ApiToken, str]:
    """Make a token; its secret is returned this once and never again."""
    secret = _PREFIX + secrets.token_urlsafe(32)
    now = await database_time(db)
    token = ApiToken(
        user_id=user.id, name=name, token_hash=_hashed(secret), expires_at=now + lifetime
    )
    db.add(token)
    await db.flush()
    return token, secret


async def authenticate(db: AsyncSession, secret: str) -> User:
    """The user a token belongs to; notes that the token was used, to the minute.

    Raises:
        AuthenticationError: the token is unknown, expired or revoked, or its user is disabled.
    """
    now = func.clock_timestamp()
    row = (
        await db.execute(
            select(User, ApiToken, _unnoted(now))
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(
                ApiToken.token_hash == _hashed(secret),
                ApiToken.revoked_at.is_(None),
                ApiToken.expires_at > now,
                User.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    if row is None:
        raise AuthenticationError(
            "The token is unknown, expired or revoked.",
            recovery_actions=["Ask an administrator for a new token (`ticketgen tokens create`)."],
        )
    user, token, unnoted = row
    if unnoted:
        await _note_use(db, token, now)
    return user


async def _note_use(db: AsyncSession, token: ApiToken, now: Function[datetime]) -> None:
    # Skipping a locked row: another request of the same token is noting it, in a transaction
    # that may last as long as an upload, and nobody should wait for that.
    noted = (
        select(ApiToken.id)
        .where(ApiToken.id == token.id, _unnoted(now))
        .with_for_update(skip_locked=True)
    )
    await db.execute(
        update(ApiToken)
        .where(ApiToken.id.in_(noted.scalar_subquery()))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


def _unnoted(now: Function[datetime]) -> ColumnElement[bool]:
    return or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < now - timedelta(minutes=1))


async def list_tokens(db: AsyncSession) -> list[tuple[ApiToken, User]]:
    """All tokens with their users, newest first."""
    rows = await db.execute(
        select(ApiToken, User)
        .join(User, User.id == ApiToken.user_id)
        .order_by(ApiToken.created_at.desc())
    )
    return [(token, user) for token, user in rows]


async def revoke_token(db: AsyncSession, token_id: UUID) -> None:
    """Make a token useless from now on; revoking twice is fine.

    Raises:
        NotFoundError: there is no such token.
    """
    token = await db.get(ApiToken, token_id)
    if token is None:
        raise NotFoundError(
            f"There is no token {token_id}.", recovery_actions=["See `ticketgen tokens list`."]
        )
    if token.revoked_at is None:
        token.revoked_at = await database_time(db)


async def create_stream_pass(
    db: AsyncSession, *, user: User, channel: str, lifetime: timedelta
) -> tuple[StreamPass, str]:
    """Make a pass for one channel; its secret is returned this once."""
    secret = secrets.token_urlsafe(24)
    now = await database_time(db)
    stream_pass = StreamPass(
        pass_hash=_hashed(secret), user_id=user.id, channel=channel, expires_at=now + lifetime
    )
    db.add(stream_pass)
    await db.flush()
    return stream_pass, secret


async def open_stream_pass(db: AsyncSession, *, secret: str, channel: str) -> User:
    """The user a pass stands for; a pass may be used again until it expires.

    Raises:
        AuthenticationError: unknown, expired, or made for another channel.
    """
    user = await db.scalar(
        select(User)
        .join(StreamPass, StreamPass.user_id == User.id)
        .where(
            StreamPass.pass_hash == _hashed(secret),
            StreamPass.channel == channel,
            StreamPass.expires_at > func.clock_timestamp(),
            User.disabled_at.is_(None),
        )
    )
    if user is None:
        raise AuthenticationError(
            "The stream pass is unknown, expired, or for another stream.",
            recovery_actions=["Get a new one with POST /api/stream-passes."],
        )
    return user


def _ended(*, grace: timedelta, limit: int) -> Select[UUID]:
    ended = func.least(ApiToken.expires_at, func.coalesce(ApiToken.revoked_at, ApiToken.expires_at))
    return select(ApiToken.id).where(ended < statement_time() - grace).limit(limit)


async def count_expired_tokens(db: AsyncSession, *, grace: timedelta, limit: int) -> int:
    """How many tokens ended longer ago than `grace`; counted as far as `limit`."""
    found = _ended(grace=grace, limit=limit).subquery()
    return int(await db.scalar(select(func.count()).select_from(found)) or 0)


async def delete_expired_tokens(db: AsyncSession, *, grace: timedelta, limit: int) -> int:
    """Delete at most `limit` tokens that ended longer ago than `grace`, and all dead passes.

    A token ends when it expires or is revoked, whichever is first.
    """
    doomed = _ended(grace=grace, limit=limit)
    result = await db.execute(delete(ApiToken).where(ApiToken.id.in_(doomed)))
    await db.execute(delete(StreamPass).where(StreamPass.expires_at < statement_time()))
    assert isinstance(result, CursorResult)  # noqa: S101 - narrows the type for the checker
    return int(result.rowcount)
