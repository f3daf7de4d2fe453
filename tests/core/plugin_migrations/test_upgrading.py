from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.core.plugin_migrations.sources import (
    COLOUR,
    first,
    plugin_with_tables,
    revision,
    second,
    tables_in,
)
from ticketgen import testing
from ticketgen.database import create_session_factory
from ticketgen.domain import sessions, users
from ticketgen.migrations import (
    CORE,
    SchemaError,
    TreeReport,
    installed_trees,
    plugin_schema_problem,
    survey_schemas,
    upgrade_all,
    upgrade_plugins,
)
from ticketgen.migrations.revising import schema_differences
from ticketgen.plugin import Migrations
from ticketgen.settings import Settings
from ticketgen.testing import installed_plugin

pytestmark = pytest.mark.services

Install = Callable[..., Any]


async def _upgraded(engine: AsyncEngine, settings: Settings) -> dict[str, TreeReport]:
    reports = await upgrade_all(engine, installed_trees(settings).trees)
    assert reports[0].owner == CORE
    return {report.owner: report for report in reports}


async def _label(engine: AsyncEngine, name: str) -> None:
    """A session with one row in the plugin's table."""
    async with create_session_factory(engine)() as db:
        user = await users.create_user(db, name=f"user-{name}", role=users.Role.MEMBER)
        session = sessions.WorkSession(owner_id=user.id, name="Tidemark")
        db.add(session)
        await db.flush()
        await db.execute(
            text(
                f"INSERT INTO {name}_labels (id, session_id, text) "
                "VALUES (gen_random_uuid(), :session, 'kept')"
            ),
            {"session": session.id},
        )
        await db.commit()


async def _labels(engine: AsyncEngine, name: str) -> list[str]:
    async with engine.connect() as connection:
        return list((await connection.execute(text(f"SELECT text FROM {name}_labels"))).scalars())


async def test_two_plugins_with_equal_revision_ids_get_their_own_tables(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    install_plugin(
        "birch",
        plugin_with_tables("birch", columns=COLOUR),
        files={**first("birch"), **second("birch")},
    )
    modules = {name for name in sys.modules if "0001" in name}

    reports = await _upgraded(engine, settings)

    again = await _upgraded(engine, settings)
    trees = installed_trees(settings).trees
    assert (reports["amber"].before, reports["amber"].after) == (None, "0001")
    assert (reports["birch"].before, reports["birch"].after) == (None, "0002")
    assert again["birch"] == TreeReport(owner="birch", before="0002", after="0002")
    assert await tables_in(engine, beginning="amber") == ["amber_labels", "amber_schema"]
    assert await tables_in(engine, beginning="birch") == ["birch_labels", "birch_schema"]
    assert {await schema_differences(engine, tree) for tree in trees} == {()}
    assert {name for name in sys.modules if "0001" in name} == modules


async def test_two_that_migrate_at_once_take_turns(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    trees = [tree for tree in installed_trees(settings).trees if tree.owner == "amber"]

    both = await asyncio.gather(upgrade_plugins(engine, trees), upgrade_plugins(engine, trees))

    assert {(report.before, report.after) for [report] in both} == {
        (None, "0001"),
        ("0001", "0001"),
    }
    assert [report.problem for [report] in both] == [None, None]


async def test_a_failing_revision_is_rolled_back_alone_and_reported(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    half = 'op.create_table("amber_half", sa.Column("id", sa.Uuid()))\n'
    broken = half + '    op.execute("ALTER TABLE amber_missing ADD COLUMN x text")'
    install_plugin(
        "amber",
        plugin_with_tables("amber"),
        files={**first("amber"), **second("amber", upgrade=broken)},
    )
    exits = first("birch") | second("birch", upgrade='raise SystemExit("no more")')
    install_plugin("birch", plugin_with_tables("birch"), files=exits)
    install_plugin("cedar", plugin_with_tables("cedar"), files=first("cedar"))

    reports = await _upgraded(engine, settings)

    problem = reports["amber"].problem
    assert problem is not None
    assert problem.phase == "schema"
    assert "amber_missing" in problem.message
    assert "0002_colour.py" in (problem.traceback or "")
    assert "rolled back" in problem.remedy
    assert (reports["amber"].before, reports["amber"].after) == (None, None)
    assert reports["birch"].problem is not None
    assert "SystemExit: no more" in reports["birch"].problem.message
    assert reports["cedar"].after == "0001"
    assert await tables_in(engine, beginning="amber") == []
    assert await tables_in(engine, beginning="birch") == []
    with pytest.raises(SchemaError, match="amber_missing"):
        await testing.upgrade_plugins(settings)


async def test_a_newer_version_goes_on_from_the_revision_the_tables_are_at(
    engine: AsyncEngine, settings: Settings
) -> None:
    old = installed_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    newer = plugin_with_tables("amber", columns=COLOUR)
    both = {**first("amber"), **second("amber")}
    with old:
        await testing.upgrade_plugins(settings)
        await _label(engine, "amber")
    uninstalled = await survey_schemas(engine, installed_trees(settings).trees)

    with installed_plugin("amber", newer, version="2.0", files=both):
        behind = await survey_schemas(engine, installed_trees(settings).trees)
        reports = await _upgraded(engine, settings)

    [left] = [state for state in uninstalled if state.owner == "amber"]
    [late] = [state for state in behind if state.owner == "amber"]
    assert (left.owner, left.current, left.needed) == ("amber", "0001", None)
    assert left.tables == ("amber_labels",)
    assert left.problem is None
    assert "at revision 0001; this version needs 0002" in str(late.problem)
    assert (reports["amber"].before, reports["amber"].after) == ("0001", "0002")
    assert await _labels(engine, "amber") == ["kept"]


async def test_an_older_version_is_told_that_the_tables_are_ahead_of_it(
    engine: AsyncEngine, settings: Settings
) -> None:
    both = {**first("amber"), **second("amber")}
    with installed_plugin("amber", plugin_with_tables("amber", columns=COLOUR), files=both):
        await testing.upgrade_plugins(settings)

    with installed_plugin("amber", plugin_with_tables("amber"), files=first("amber")):
        reports = await _upgraded(engine, settings)

    problem = reports["amber"].problem
    assert problem is not None
    assert "at revision 0002, which this version does not know" in problem.message
    assert "newer version" in problem.remedy
    assert await tables_in(engine, beginning="amber") == ["amber_labels", "amber_schema"]


async def test_a_starting_process_is_told_what_is_wrong_with_a_plugins_tables(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    both = {**first("amber"), **second("amber")}
    install_plugin("amber", plugin_with_tables("amber", columns=COLOUR), files=both)
    [tree] = [tree for tree in installed_trees(settings).trees if tree.owner == "amber"]
    contributed = Migrations(versions=tree.versions, metadata=tree.metadata)

    none_yet = await plugin_schema_problem(engine, "amber", contributed)
    await testing.upgrade_plugins(settings)
    fine = await plugin_schema_problem(engine, "amber", contributed)
    (tree.versions / "0003_next.py").write_text(revision("0003", after="0002"))
    behind = await plugin_schema_problem(engine, "amber", contributed)
    (tree.versions / "0004_fork.py").write_text(revision("0004", after="0002"))
    forked = await plugin_schema_problem(engine, "amber", contributed)

    assert "are not there yet; this version needs 0002" in str(none_yet)
    assert fine is None
    assert "are at revision 0002; this version needs 0003" in str(behind)
    assert "0003, 0004" in str(forked)


@pytest.mark.parametrize(
    ("upgrade", "said"),
    [
        ('op.create_table("sessions_too", sa.Column("id", sa.Uuid()))', "sessions_too"),
        ('op.drop_table("stream_passes")', "stream_passes"),
        (
            'op.create_table("amber_x", sa.Column("s", sa.Uuid(), sa.ForeignKey("sessions.id")))',
            "of amber_x to sessions",
        ),
        (
            'op.create_table("amber_x", sa.Column("s", sa.Uuid(), '
            'sa.ForeignKey("sessions.id", ondelete="SET NULL"), nullable=False))',
            "of amber_x to sessions",
        ),
        (
            'op.create_table("amber_x", sa.Column("s", sa.Uuid(), '
            'sa.ForeignKey("sessions.id", ondelete="SET DEFAULT")))',
            "of amber_x to sessions",
        ),
        (
            'op.add_column("sessions", sa.Column("colour", sa.Text()))',
            "its own: column colour of sessions.",
        ),
        (
            'op.alter_column("sessions", "name", type_=sa.Text())',
            "its own: column name of sessions.",
        ),
        (
            'op.create_index("amber_names", "sessions", ["name"])',
            "its own: index amber_names of sessions.",
        ),
        (
            'op.create_check_constraint("amber_calm", "sessions", "length(name) < 5000")',
            "its own: constraint ck_sessions_amber_calm of sessions.",
        ),
        (
            'op.execute("CREATE TRIGGER amber_off BEFORE UPDATE ON sessions FOR EACH ROW "'
            '"EXECUTE FUNCTION suppress_redundant_updates_trigger()")',
            "its own: trigger amber_off of sessions.",
        ),
    ],
    ids=[
        "makes a strange table",
        "drops the host's",
        "holds on to a row",
        "null that cannot be",
        "default that may be of nothing",
        "adds a column to the host's",
        "makes a column another",
        "adds an index",
        "adds a constraint",
        "adds a trigger",
    ],
)
async def test_a_revision_that_reaches_beyond_its_plugin_is_rolled_back(
    install_plugin: Install, engine: AsyncEngine, settings: Settings, upgrade: str, said: str
) -> None:
    install_plugin(
        "amber",
        plugin_with_tables("amber"),
        files={**first("amber"), **second("amber", upgrade=upgrade)},
    )

    reports = await _upgraded(engine, settings)

    problem = reports["amber"].problem
    assert problem is not None
    assert said in problem.message
    assert "author" in problem.remedy
    assert await tables_in(engine, beginning="amber") == []
    assert await tables_in(engine, beginning="sessions") == ["sessions"]
    assert await tables_in(engine, beginning="stream") == ["stream_passes"]
