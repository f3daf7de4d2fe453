"""Real servers for a test session, and a database of its own for every test that wants one.

A template is made once, with the schema in it; copying it takes tens of milliseconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from ticketgen.embedded import EmbeddedServers

__all__ = [
    "clone_database",
    "create_template",
    "database_name",
    "drop_database",
    "session_servers",
]

_ADMIN_DATABASE = "postgres"
"""Exists in every cluster, and is not the one that is copied or dropped."""


@contextmanager
def session_servers() -> Iterator[EmbeddedServers]:
    """Both servers on a fresh directory that is removed with them; for one pytest session.

    Raises:
        EmbeddedServersError: they cannot be started; the message says why and what to do.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ticketgen-tests-") as directory,
        EmbeddedServers(Path(directory), durable=False) as servers,
    ):
        yield servers


async def create_template(
    admin_url: str, name: str, *, prepare: Callable[[str], Awaitable[None]] | None = None
) -> str:
    """Make a database to copy from, replacing one of that name; give its URL.

    `prepare` gets the URL and fills it (runs migrations), and must leave no connection open. If it
    raises, the database is removed again. Afterwards nobody can connect to it, so that it stays as
    it is and can be copied at any moment.
    """
    url = _named(admin_url, name)
    await drop_database(admin_url, name)
    async with _admin(admin_url) as connection:
        await connection.execute(f"CREATE DATABASE {_quoted(name)}")
    try:
        if prepare is not None:
            await prepare(url)
    except BaseException:
        await drop_database(admin_url, name)
        raise
    async with _admin(admin_url) as connection:
        await connection.execute(
            f"ALTER DATABASE {_quoted(name)} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false"
        )
    return url


async def clone_database(admin_url: str, template: str) -> str:
    """A new database, the same as the template (a name); give its URL."""
    name = f"{template[:30]}_{uuid4().hex}"
    # Measured at half the time of WAL_LOG for a schema of this size.
    async with _admin(admin_url) as connection:
        await connection.execute(
            f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)} STRATEGY FILE_COPY"
        )
    return _named(admin_url, name)


async def drop_database(admin_url: str, target: str) -> None:
    """Remove a database, given by name or URL, under whoever still uses it; absent is fine."""
    name = database_name(target) if "://" in target else target
    async with _admin(admin_url) as connection:
        found = await connection.fetchval(
            "SELECT datistemplate FROM pg_database WHERE datname = $1", name
        )
        if found:
            await connection.execute(f"ALTER DATABASE {_quoted(name)} WITH IS_TEMPLATE false")
        await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


def database_name(url: str) -> str:
    """The name of the database that a URL points to."""
    return unquote(urlsplit(url).path.removeprefix("/"))


@asynccontextmanager
async def _admin(url: str) -> AsyncIterator[asyncpg.Connection]:
    parts = urlsplit(_named(url, _ADMIN_DATABASE))
    plain = parts._replace(scheme=parts.scheme.partition("+")[0])
    connection = await asyncpg.connect(urlunsplit(plain))
    try:
        yield connection
    finally:
        await connection.close()


def _named(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
