"""A test gets a database of its own by copying a template."""

from __future__ import annotations

import asyncpg
import pytest

from tests.core.embedded.probes import sql
from ticketgen.embedded import EmbeddedServers
from ticketgen.testing.servers import (
    clone_database,
    create_template,
    database_name,
    drop_database,
)

pytestmark = pytest.mark.services


async def _schema(url: str) -> None:
    await sql(url, "CREATE TABLE kept AS SELECT 42 AS answer")


async def test_clones_hold_what_the_template_holds_and_nothing_of_each_other(
    servers: EmbeddedServers,
) -> None:
    await create_template(servers.database_url, "shared_schema", prepare=_schema)

    first = await clone_database(servers.database_url, "shared_schema")
    second = await clone_database(servers.database_url, "shared_schema")
    await sql(first, "UPDATE kept SET answer = 1")

    assert await sql(second, "SELECT answer FROM kept") == 42
    assert database_name(first) != database_name(second)


async def test_a_template_cannot_be_changed_after_it_is_made(servers: EmbeddedServers) -> None:
    url = await create_template(servers.database_url, "sealed", prepare=_schema)

    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="not currently accepting"):
        await sql(url, "UPDATE kept SET answer = 1")


async def test_a_template_is_made_anew_under_its_old_name(servers: EmbeddedServers) -> None:
    await create_template(servers.database_url, 'odd "name"', prepare=_schema)
    await create_template(servers.database_url, 'odd "name"')

    clone = await clone_database(servers.database_url, 'odd "name"')

    assert await sql(clone, "SELECT to_regclass('kept')") is None


async def test_a_template_whose_schema_fails_is_not_left_behind(servers: EmbeddedServers) -> None:
    async def fail(url: str) -> None:
        raise ValueError(url)

    with pytest.raises(ValueError, match="half_made"):
        await create_template(servers.database_url, "half_made", prepare=fail)

    names = "SELECT count(*) FROM pg_database WHERE datname = 'half_made'"
    assert await sql(servers.database_url, names) == 0


async def test_a_database_is_dropped_under_its_users_and_twice_is_fine(
    servers: EmbeddedServers,
) -> None:
    await create_template(servers.database_url, "for_dropping")
    url = await clone_database(servers.database_url, "for_dropping")
    user = await asyncpg.connect(url.replace("+asyncpg", ""))

    await drop_database(servers.database_url, url)
    await drop_database(servers.database_url, url)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await user.fetchval("SELECT 1")
    await user.close()
