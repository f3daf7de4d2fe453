"""Secrets of other systems, sealed: whose they are, with which key, until when; never what.

Only `ticketgen.vault` seals and opens. What stands here deals with sealed bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    LargeBinary,
    Select,
    String,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, new_id, statement_time

__all__ = [
    "Secret",
    "SecretLine",
    "SecretName",
    "count_by_key",
    "count_expired_secrets",
    "delete_expired_secrets",
    "delete_secret",
    "list_secrets",
    "lock_secrets_not_sealed_with",
    "put_secret",
    "read_secret",
    "reseal",
]


@dataclass(frozen=True, kw_only=True)
class SecretName:
    """What a secret is called: by its plugin, for one user or for the whole system."""

    plugin: str
    name: str
    user_id: UUID | None = None


class Secret(Base):
    """One sealed secret of one plugin."""

    __tablename__ = "secrets"
    __table_args__ = (
        UniqueConstraint("plugin", "user_id", "name", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    plugin: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    user_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), index=True
    )
    sealed: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    key_id: Mapped[str] = mapped_column(String(20), index=True)
    """The fingerprint of the key it is sealed with."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it is of no more use, if that is known."""


@dataclass(frozen=True, kw_only=True)
class SecretLine:
    """A secret without its value."""

    id: UUID
    plugin: str
    name: str
    user_id: UUID | None
    key_id: str
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


async def put_secret(
    db: AsyncSession,
    name: SecretName,
    *,
    sealed: bytes,
    key_id: str,
    expires_at: datetime | None = None,
) -> None:
    """Keep a sealed secret, in the place of an earlier one of that name."""
    changed = {"sealed": sealed, "key_id": key_id, "expires_at": expires_at}
    await db.execute(
        insert(Secret)
        .values(id=new_id(), plugin=name.plugin, name=name.name, user_id=name.user_id, **changed)
        .on_conflict_do_update(
            index_elements=["plugin", "user_id", "name"],
            set_={**changed, "updated_at": func.clock_timestamp()},
        )
    )


async def read_secret(db: AsyncSession, name: SecretName) -> bytes | None:
    """The sealed bytes, or None; an expired secret is there until it is cleaned up."""
    return await db.scalar(select(Secret.sealed).where(*_called(name)))


async def delete_secret(db: AsyncSession, name: SecretName) -> bool:
    """Delete a secret; whether there was one."""
    result = await db.execute(delete(Secret).where(*_called(name)))
    return _rows(result) > 0


async def list_secrets(
    db: AsyncSession, *, plugin: str | None = None, user_id: UUID | None = None, limit: int = 100
) -> list[SecretLine]:
    """Secrets without their values, newest first; of a plugin and of a user, if given."""
    wanted = []
    if plugin is not None:
        wanted.append(Secret.plugin == plugin)
    if user_id is not None:
        wanted.append(Secret.user_id == user_id)
    rows = await db.execute(
        select(
            Secret.id,
            Secret.plugin,
            Secret.name,
            Secret.user_id,
            Secret.key_id,
            Secret.created_at,
            Secret.updated_at,
            Secret.expires_at,
        )
        .where(*wanted)
        .order_by(Secret.id.desc())
        .limit(limit)
    )
    return [SecretLine(**row) for row in rows.mappings()]


async def count_by_key(db: AsyncSession) -> dict[str, int]:
    """Fingerprint of a key → how many secrets are sealed with it."""
    rows = await db.execute(select(Secret.key_id, func.count()).group_by(Secret.key_id))
    return {key_id: int(count) for key_id, count in rows}


async def lock_secrets_not_sealed_with(
    db: AsyncSession, key_id: str, *, among: Collection[str], after: UUID | None, limit: int
) -> Sequence[tuple[SecretName, UUID, bytes]]:
    """Secrets that another key seals, of those keys, in the order of their ids; rows locked."""
    query = (
        select(Secret.plugin, Secret.name, Secret.user_id, Secret.id, Secret.sealed)
        .where(Secret.key_id != key_id, Secret.key_id.in_(among))
        .order_by(Secret.id)
        .limit(limit)
        .with_for_update()
    )
    if after is not None:
        query = query.where(Secret.id > after)
    return [
        (SecretName(plugin=plugin, name=name, user_id=user_id), id_, sealed)
        for plugin, name, user_id, id_, sealed in await db.execute(query)
    ]


async def reseal(db: AsyncSession, secret_id: UUID, *, sealed: bytes, key_id: str) -> None:
    """Put the same secret there, sealed with another key."""
    await db.execute(
        update(Secret).where(Secret.id == secret_id).values(sealed=sealed, key_id=key_id)
    )


def _ended(*, grace: timedelta, limit: int) -> Select[UUID]:
    return select(Secret.id).where(Secret.expires_at < statement_time() - grace).limit(limit)


async def count_expired_secrets(db: AsyncSession, *, grace: timedelta, limit: int) -> int:
    """How many secrets expired longer ago than `grace`; counted as far as `limit`."""
    found = _ended(grace=grace, limit=limit).subquery()
    return int(await db.scalar(select(func.count()).select_from(found)) or 0)


async def delete_expired_secrets(db: AsyncSession, *, grace: timedelta, limit: int) -> int:
    """Delete at most `limit` secrets that expired longer ago than `grace`; how many went."""
    doomed = _ended(grace=grace, limit=limit)
    return _rows(await db.execute(delete(Secret).where(Secret.id.in_(doomed))))


def _called(name: SecretName) -> tuple[ColumnElement[bool], ...]:
    return (
        Secret.plugin == name.plugin,
        Secret.name == name.name,
        # Not IS NOT DISTINCT FROM, which no index knows.
        Secret.user_id.is_(None) if name.user_id is None else Secret.user_id == name.user_id,
    )


def _rows(result: object) -> int:
    assert isinstance(result, CursorResult)  # noqa: S101 - narrows the type for the checker
    return int(result.rowcount)
