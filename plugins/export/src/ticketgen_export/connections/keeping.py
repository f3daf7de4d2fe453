"""Every query on connections and pending authorizations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ticketgen.errors import NotFoundError
from ticketgen.tables import new_id
from ticketgen_export.connections.stored import Connection, PendingAuthorization

__all__ = [
    "claim_renewal",
    "connection_like",
    "delete_connection",
    "delete_expired_authorizations",
    "drop_renewal",
    "get_connection",
    "is_pending",
    "list_connections",
    "mark_checked",
    "mark_lost",
    "seconds_now",
    "settle_renewal",
    "take_authorization",
]


async def seconds_now(db: AsyncSession) -> int:
    """The database's clock, in whole seconds since 1970."""
    return int(await db.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0)


async def get_connection(
    db: AsyncSession,
    connection_id: UUID,
    *,
    of: UUID | None = None,
    lock: Literal["read", "change"] | None = None,
) -> Connection:
    """The connection as it is stored now; of one user, if given.

    With a lock nobody else changes it until the transaction ends. Whoever changes a connection and
    its tokens locks the connection first.

    Raises:
        NotFoundError: there is none, or it is somebody else's.
    """
    query = select(Connection).where(Connection.id == connection_id)
    if of is not None:
        query = query.where(Connection.user_id == of)
    if lock is not None:
        query = query.with_for_update(read=lock == "read")
    found = await db.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise NotFoundError(
            f"There is no connection {connection_id}.",
            recovery_actions=["See GET /api/export/connections."],
        )
    return found


async def list_connections(db: AsyncSession, *, of: UUID | None) -> Sequence[Connection]:
    """The connections of a user, or of everybody, oldest first."""
    query = select(Connection).order_by(Connection.created_at, Connection.id)
    if of is not None:
        query = query.where(Connection.user_id == of)
    return (await db.scalars(query)).all()


async def connection_like(db: AsyncSession, new: Connection) -> Connection | None:
    """The connection of the same user to the same site in the same way and name, its row locked."""
    return await db.scalar(
        select(Connection)
        .where(
            Connection.user_id == new.user_id,
            Connection.kind == new.kind,
            Connection.api_url == new.api_url,
            Connection.account_id == new.account_id,
        )
        .order_by(Connection.created_at)
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def delete_connection(db: AsyncSession, connection_id: UUID) -> bool:
    """Delete what is known of a connection; whether it was there."""
    deleted = await db.scalar(
        delete(Connection).where(Connection.id == connection_id).returning(Connection.id)
    )
    return deleted is not None


async def claim_renewal(db: AsyncSession, connection_id: UUID, *, lease: timedelta) -> UUID | None:
    """Become the one who renews the tokens, for as long as the lease; None while another is."""
    return await db.scalar(
        update(Connection)
        .where(
            Connection.id == connection_id,
            or_(
                Connection.renewal_id.is_(None),
                Connection.renewal_until < func.clock_timestamp(),
            ),
        )
        .values(renewal_id=new_id(), renewal_until=func.clock_timestamp() + lease)
        .returning(Connection.renewal_id)
        .execution_options(synchronize_session=False)
    )


async def settle_renewal(
    db: AsyncSession,
    connection_id: UUID,
    renewal_id: UUID,
    *,
    expires_at: int,
    scopes: list[str],
) -> bool:
    """Write down what the new tokens are good for; False if the lease is somebody else's now."""
    settled = await db.scalar(
        update(Connection)
        .where(Connection.id == connection_id, Connection.renewal_id == renewal_id)
        .values(
            expires_at=expires_at,
            scopes=scopes,
            renewal_id=None,
            renewal_until=None,
            lost_at=None,
            lost_reason=None,
        )
        .returning(Connection.id)
        .execution_options(synchronize_session=False)
    )
    return settled is not None


async def drop_renewal(db: AsyncSession, connection_id: UUID, renewal_id: UUID) -> None:
    """Give the lease back, the tokens as they were."""
    await _change(
        db,
        Connection.id == connection_id,
        Connection.renewal_id == renewal_id,
        renewal_id=None,
        renewal_until=None,
    )


async def mark_lost(
    db: AsyncSession, read: Connection, reason: str, *, renewal_id: UUID | None = None
) -> bool:
    """Write down that the connection does not work any more, and why; whether that was done.

    Only if it is still as it was read, or with a `renewal_id` if that lease still stands: its user
    may have connected again meanwhile, or another may have renewed it.
    """
    if renewal_id is None:
        stands = [
            Connection.checked_at.is_not_distinct_from(read.checked_at),
            Connection.expires_at.is_not_distinct_from(read.expires_at),
        ]
    else:
        stands = [Connection.renewal_id == renewal_id]
    marked = await db.scalar(
        update(Connection)
        .where(Connection.id == read.id, *stands)
        .values(
            lost_at=func.coalesce(Connection.lost_at, func.clock_timestamp()),
            lost_reason=reason,
            renewal_id=None,
            renewal_until=None,
        )
        .returning(Connection.id)
        .execution_options(synchronize_session=False)
    )
    return marked is not None


async def mark_checked(
    db: AsyncSession, connection_id: UUID, *, account_id: str, account_name: str
) -> None:
    """Write down that the site has let the connection in just now, and as whom."""
    await _change(
        db,
        Connection.id == connection_id,
        checked_at=func.clock_timestamp(),
        account_id=account_id,
        account_name=account_name,
        lost_at=None,
        lost_reason=None,
    )


async def is_pending(db: AsyncSession, state_hash: bytes) -> bool:
    """Whether nobody has come back with the state yet."""
    found = select(PendingAuthorization.user_id).where(
        PendingAuthorization.state_hash == state_hash
    )
    return await db.scalar(found) is not None


async def take_authorization(
    db: AsyncSession, state_hash: bytes
) -> tuple[PendingAuthorization, bool] | None:
    """The pending authorization of a state, which is gone with that; and whether it is in time."""
    found = await db.get(PendingAuthorization, state_hash, with_for_update=True)
    if found is None:
        return None
    in_time = bool(
        await db.scalar(
            select(PendingAuthorization.expires_at > func.clock_timestamp()).where(
                PendingAuthorization.state_hash == state_hash
            )
        )
    )
    await db.delete(found)
    await db.flush()
    return found, in_time


async def delete_expired_authorizations(
    db: AsyncSession, *, limit: int = 100
) -> Sequence[PendingAuthorization]:
    """Delete authorizations that nobody came back from, some at once; give those that went."""
    found = (
        await db.scalars(
            select(PendingAuthorization)
            .where(PendingAuthorization.expires_at < func.clock_timestamp())
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    for one in found:
        await db.delete(one)
    await db.flush()
    return found


async def _change(db: AsyncSession, *where: Any, **values: Any) -> None:
    await db.execute(
        update(Connection)
        .where(*where)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
