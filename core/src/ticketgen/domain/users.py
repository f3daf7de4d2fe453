"""Who may use the system: people with a role."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import String, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from ticketgen.database import Base, database_time, new_id, words
from ticketgen.errors import ConflictError, NotFoundError

__all__ = [
    "Role",
    "User",
    "create_user",
    "disable_user",
    "get_user_by_name",
    "list_users",
    "names_of",
]


class Role(StrEnum):
    """What a user may do."""

    MEMBER = "member"
    """Works on sessions of their own."""
    ADMIN = "admin"
    """Sees every session, and whatever concerns the system as a whole."""


class User(Base):
    """One person, or one program that acts as one."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    role: Mapped[Role] = mapped_column(words(Role))
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    disabled_at: Mapped[datetime | None]

    @property
    def is_admin(self) -> bool:
        """Whether the user has every right."""
        return self.role == Role.ADMIN


async def create_user(db: AsyncSession, *, name: str, role: Role) -> User:
    """Add a user.

    Raises:
        ConflictError: the name is taken.
    """
    taken = await db.scalar(select(User.id).where(User.name == name))
    if taken is not None:
        raise ConflictError(
            f"There is a user {name!r} already.",
            recovery_actions=["Choose another name, or use `ticketgen users list`."],
        )
    user = User(name=name, role=role)
    db.add(user)
    await db.flush()
    return user


async def get_user_by_name(db: AsyncSession, name: str) -> User:
    """The user of that name.

    Raises:
        NotFoundError: there is none.
    """
    user = await db.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFoundError(
            f"There is no user {name!r}.",
            recovery_actions=["See `ticketgen users list`."],
        )
    return user


async def names_of(db: AsyncSession, user_ids: Collection[UUID | None]) -> dict[UUID, str]:
    """User id → name, for those of them that exist."""
    rows = await db.execute(select(User.id, User.name).where(User.id.in_(user_ids)))
    return dict(rows.all())


async def list_users(db: AsyncSession) -> list[User]:
    """Everybody, by name."""
    return list(await db.scalars(select(User).order_by(User.name)))


async def disable_user(db: AsyncSession, name: str) -> User:
    """Shut a user out from now on, with every token; what they made stays.

    Raises:
        NotFoundError: there is no such user.
    """
    user = await get_user_by_name(db, name)
    if user.disabled_at is None:
        user.disabled_at = await database_time(db)
    return user
