"""The migrations make exactly the tables of the models, and can be taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from ticketgen.database import Base, create_engine
from ticketgen.migrations import (
    VERSION_TABLE,
    alembic_config,
    installed_trees,
    require_current_schema,
    schema_revisions,
    upgrade_plugins,
    upgrade_schema,
)
from ticketgen.migrations.downgrading import downgrade_plugin
from ticketgen.migrations.revising import schema_differences
from ticketgen.settings import Settings

pytestmark = pytest.mark.services


TREES = installed_trees(Settings()).trees


@pytest.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """On a database with the tables of the host alone."""
    made = create_engine(settings)
    for tree in TREES:
        await downgrade_plugin(made, tree)
    yield made
    await made.dispose()


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE, "compare_type": True}
    )
    return list(compare_metadata(context, Base.metadata))


def _downgrade(connection: Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, "base")


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {VERSION_TABLE}


async def test_a_migrated_database_has_the_tables_of_the_models(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
        tables = await connection.run_sync(_tables)

    assert differences == []
    assert tables == set(Base.metadata.tables)


async def test_the_migrations_can_be_taken_back_and_applied_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(_downgrade)
        left = await connection.run_sync(_tables)
    taken_back, head = await schema_revisions(engine)

    before, after = await upgrade_schema(engine)

    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await require_current_schema(engine)
    assert left == set()
    assert taken_back is None
    assert (before, after) == (None, head)
    assert differences == []


async def test_a_plugins_migrations_make_the_tables_of_its_models(engine: AsyncEngine) -> None:
    before = [await schema_differences(engine, tree) for tree in TREES]

    reports = await upgrade_plugins(engine, TREES)

    after = [await schema_differences(engine, tree) for tree in TREES]
    assert TREES
    assert all(before)
    assert [report.problem for report in reports] == [None] * len(TREES)
    assert after == [()] * len(TREES)


def test_there_is_one_line_of_migrations() -> None:
    script = ScriptDirectory.from_config(alembic_config())

    assert len(script.get_heads()) == 1
