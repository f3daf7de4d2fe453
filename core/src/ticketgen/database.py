"""One engine, one session factory, and the column types every table shares."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    DateTime,
    Enum,
    Function,
    Interval,
    MetaData,
    NullPool,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncAttrs,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import uuid7

from ticketgen.errors import ConfigurationError, TemporaryError
from ticketgen.settings import Settings

__all__ = [
    "COLUMN_TYPES",
    "NAMES_OF_CONSTRAINTS",
    "Base",
    "DatabaseUnavailableError",
    "SessionFactory",
    "UtcDateTime",
    "connected_session",
    "create_engine",
    "create_session_factory",
    "database_time",
    "new_id",
    "passes_by_itself",
    "sqlstate_of",
    "statement_time",
    "unhurried_engine",
    "words",
]

SessionFactory = async_sessionmaker[AsyncSession]


class DatabaseUnavailableError(TemporaryError):
    """Postgres cannot be reached, or no connection became free in time."""

    code = "database_unavailable"


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: refuses naive values on the way in, gives UTC on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime: it would be read in the server's zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give UTC, whatever zone the connection speaks."""
        return None if value is None else value.astimezone(UTC)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """Take a timedelta for what it is, so that one can be added and taken away in SQL."""
        return Interval() if isinstance(value, timedelta) else self


NAMES_OF_CONSTRAINTS = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""How indexes and constraints are called that are given no name."""

COLUMN_TYPES: dict[Any, Any] = {
    datetime: UtcDateTime,
    dict[str, Any]: JSONB(none_as_null=True),
    list[Any]: JSONB(none_as_null=True),
}
"""Type in a model's annotation → type of its column, where SQLAlchemy's own is not ours."""


class Base(AsyncAttrs, DeclarativeBase):
    """The declarative base of core's tables."""

    metadata = MetaData(naming_convention=NAMES_OF_CONSTRAINTS)
    type_annotation_map = COLUMN_TYPES


def words(kind: type[StrEnum], *, length: int = 30) -> Enum:
    """A column of an enum's values as plain text, so that a new value needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=length,
        values_callable=lambda members: [member.value for member in members],
    )


new_id = uuid7
"""A new UUIDv7: unique, and sorted by the time it was made."""


_IDLE_SECONDS = 1.0
"""A connection that was used so lately is taken for a good one, if its socket is still open."""

_ANSWER_SECONDS = 1.0
"""So long after its own limit for a statement a server that answers nothing counts as gone."""


def create_engine(settings: Settings, *, application_name: str = "ticketgen") -> AsyncEngine:
    """An engine whose waits all end: for a connection, for a free one, for a statement.

    The server ends a late statement itself; a server that does not even do that, because it is
    frozen or the network swallows everything, is waited for a second longer.

    Raises:
        ConfigurationError: no database is configured, or its URL is not one of Postgres.
    """
    if not settings.database_url:
        raise ConfigurationError(
            "No database is configured.",
            recovery_actions=["Start `ticketgen up`, or set TICKETGEN_DATABASE_URL."],
        )
    url = make_url(settings.database_url)
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise ConfigurationError(
            f"The database must be Postgres, not {url.get_backend_name()}.",
            recovery_actions=["Set TICKETGEN_DATABASE_URL to a postgresql:// URL."],
        )
    timeout = settings.database_timeout.total_seconds()
    # A process that stands still, or a machine that is gone, keeps its locks until then: its
    # leases run out later, so nothing is in the way of whoever rescues its runs.
    standstill = settings.lease_patience.total_seconds()
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=timeout,
        connect_args={
            "timeout": timeout,
            "command_timeout": timeout + _ANSWER_SECONDS,
            "server_settings": {
                "application_name": application_name,
                "timezone": "UTC",
                "statement_timeout": str(int(timeout * 1000)),
                "idle_in_transaction_session_timeout": str(int(standstill * 1000)),
            },
        },
    )
    event.listen(engine.sync_engine, "handle_error", _give_up_silent)
    event.listen(engine.sync_engine, "checkin", _note_use)
    event.listen(engine.sync_engine, "checkout", _require_living)
    return engine


def _note_use(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _require_living(
    connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection
) -> None:
    """Let no dead connection out of the pool; ask the server only if nobody has asked it lately.

    The pool's own ping, before every use, is three round trips of the six to eight of a request.

    Raises:
        InvalidatePoolError: it is dead; the pool makes another, and looks at none of its age.
    """
    driver: Any = record.driver_connection  # asyncpg's own
    if driver.is_closed():
        raise InvalidatePoolError
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at <= _IDLE_SECONDS:
        return
    adapted: Any = connection  # SQLAlchemy's, around the driver's
    try:
        adapted.ping()
    except Exception as error:
        raise InvalidatePoolError from error


def _give_up_silent(context: ExceptionContext) -> Exception | None:
    """Drop a connection that did not answer at all: the rollback would wait as long once more.

    The driver says so with a plain `TimeoutError`; everybody else shall see a lost connection.
    """
    error = context.original_exception
    if not isinstance(error, TimeoutError):
        return None
    context.is_disconnect = True
    return OperationalError(
        context.statement,
        None,
        ConnectionError("The database did not answer in time."),
        connection_invalidated=True,
    )


@asynccontextmanager
async def unhurried_engine(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """An engine of the same database whose statements take what they take, for migrations."""
    unhurried = create_async_engine(
        engine.url,
        poolclass=NullPool,
        connect_args={
            "server_settings": {
                "application_name": "ticketgen-migrations",
                "timezone": "UTC",
                "statement_timeout": "0",
            }
        },
    )
    try:
        yield unhurried
    finally:
        await unhurried.dispose()


async def database_time(db: AsyncSession) -> datetime:
    """The database's clock, which does not stand still in a transaction."""
    now: datetime = (await db.execute(select(func.clock_timestamp()))).scalar_one()
    return now.astimezone(UTC)


def statement_time() -> Function[datetime]:
    """The database's clock as the statement begins, to look for what is older or newer.

    `clock_timestamp()` goes on while a statement is carried out, so a condition with it is asked
    of every row; this one can be looked up in an index. It does not stand still in a transaction.
    """
    return func.statement_timestamp(type_=UtcDateTime)


def create_session_factory(engine: AsyncEngine) -> SessionFactory:
    """Database sessions that keep their objects readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


_PASSING_STATES = ("08", "25P03", "40", "53", "55P03", "57")
"""SQLSTATEs, or their classes: no connection, stood still in a transaction, lost a race, out of
resources, locked, stopping."""


def passes_by_itself(error: BaseException) -> bool:
    """Whether the same work may succeed later: the database is away, too busy, or chose a victim.

    Asked about errors of database work only: any `OSError` counts as a connection's.
    """
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, PoolTimeoutError | OSError) or sqlstate_of(error).startswith(
        _PASSING_STATES
    )


def sqlstate_of(error: BaseException) -> str:
    """The database's code for an error of its own; empty for any other error.

    What goes wrong while connecting comes from the driver as it is, without SQLAlchemy's cover.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(cause, "sqlstate", None) or "")


@asynccontextmanager
async def connected_session(session_factory: SessionFactory) -> AsyncIterator[AsyncSession]:
    """A database session with its connection in hand, closed when the block ends.

    Raises:
        DatabaseUnavailableError: no connection could be had.
    """
    async with session_factory() as db:
        try:
            _ = await db.connection()
        except PoolTimeoutError as error:
            raise DatabaseUnavailableError(
                "All connections to the database are in use, and none became free in time.",
                recovery_actions=[
                    "Try again in a moment.",
                    "If it goes on, an administrator can raise TICKETGEN_DATABASE_POOL_SIZE.",
                ],
                technical_details={"exception": f"{type(error).__name__}: {error}"},
            ) from error
        except (DBAPIError, OSError) as error:
            raise DatabaseUnavailableError(
                "The database could not be reached.",
                recovery_actions=["Try again in a moment."],
                technical_details={"exception": f"{type(error).__name__}: {error}"},
            ) from error
        yield db
