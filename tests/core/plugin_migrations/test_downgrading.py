from __future__ import annotations

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
from ticketgen.errors import ConfigurationError, NotFoundError
from ticketgen.migrations import SchemaError, installed_trees, named_tree, survey_schemas
from ticketgen.migrations.downgrading import downgrade_plugin, expected_loss
from ticketgen.migrations.revising import write_revision
from ticketgen.settings import Settings
from ticketgen.testing import upgrade_plugins

pytestmark = pytest.mark.services

Install = Callable[..., Any]


async def test_a_plugin_takes_its_tables_back_and_leaves_those_of_others(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    both = {**first("amber"), **second("amber")}
    install_plugin("amber", plugin_with_tables("amber", columns=COLOUR), files=both)
    near = {"versions/1.py": first("amber_glow")["versions/0001_labels.py"]}
    install_plugin("amber_glow", plugin_with_tables("amber_glow"), files=near)
    await upgrade_plugins(settings)
    tree = named_tree("amber", settings)

    loss = await expected_loss(engine, tree)
    left = await downgrade_plugin(engine, tree)

    after = await expected_loss(engine, tree)
    assert (loss.revision, loss.rows) == ("0002", {"amber_labels": 0})
    assert left == ()
    assert after.revision is None
    assert await tables_in(engine, beginning="amber") == ["amber_glow_labels", "amber_glow_schema"]
    with pytest.raises(SchemaError, match="no schema"):
        await downgrade_plugin(engine, tree)
    await upgrade_plugins(settings)
    assert (await expected_loss(engine, tree)).revision == "0002"


async def test_what_is_in_the_models_of_another_plugin_is_its_own_whatever_it_is_called(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    near = plugin_with_tables("amber").replace("amber_labels", "amber_glow_of_all")
    made = {
        path: text.replace("amber_labels", "amber_glow_of_all")
        for path, text in first("amber").items()
    }
    install_plugin("amber", near, files=made)
    install_plugin("amber_glow", plugin_with_tables("amber_glow"), files=first("amber_glow"))
    await upgrade_plugins(settings)
    trees = installed_trees(settings).trees
    glow = named_tree("amber_glow", settings)

    own = [tree for tree in trees if tree.owner.startswith("amber")]
    written = [await write_revision(engine, tree, message="x", beside=trees) for tree in own]
    loss = await expected_loss(engine, glow, beside=trees)
    left = await downgrade_plugin(engine, glow, beside=trees)

    assert written == [None, None]
    assert loss.rows == {"amber_glow_labels": 0}
    assert left == ()
    assert await tables_in(engine, beginning="amber") == ["amber_glow_of_all", "amber_schema"]


async def test_a_downgrade_that_fails_or_takes_what_is_not_its_own_changes_nothing(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    gone = 'op.drop_table("amber_labels"); raise RuntimeError("too late")'
    fails = revision("0002", after="0001", downgrade=gone)
    install_plugin(
        "amber", plugin_with_tables("amber"), files={**first("amber"), "versions/2.py": fails}
    )
    greedy = revision("0002", after="0001", downgrade='op.drop_table("stream_passes")')
    install_plugin(
        "birch", plugin_with_tables("birch"), files={**first("birch"), "versions/2.py": greedy}
    )
    await upgrade_plugins(settings)

    with pytest.raises(SchemaError, match="RuntimeError: too late") as failed:
        await downgrade_plugin(engine, named_tree("amber", settings))
    with pytest.raises(SchemaError, match="not its own: stream_passes"):
        await downgrade_plugin(engine, named_tree("birch", settings))

    assert any("amber_schema" in action for action in failed.value.recovery_actions)
    assert await tables_in(engine, beginning="amber") == ["amber_labels", "amber_schema"]
    assert await tables_in(engine, beginning="birch") == ["birch_labels", "birch_schema"]
    assert await tables_in(engine, beginning="stream") == ["stream_passes"]


async def test_tables_that_the_downgrade_forgets_are_named(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    more = revision(
        "0002", after="0001", upgrade='op.create_table("amber_log", sa.Column("id", sa.Uuid()))'
    )
    install_plugin(
        "amber", plugin_with_tables("amber"), files={**first("amber"), "versions/2.py": more}
    )
    await upgrade_plugins(settings)

    left = await downgrade_plugin(engine, named_tree("amber", settings))

    assert left == ("amber_log",)
    assert await tables_in(engine, beginning="amber") == ["amber_log"]


async def test_tables_of_a_later_version_are_not_taken_back_by_an_earlier_one(
    install_plugin: Install, engine: AsyncEngine, settings: Settings
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    await upgrade_plugins(settings)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE amber_schema SET version_num = '0009'"))

    with pytest.raises(SchemaError, match="0009, which this version does not know"):
        await expected_loss(engine, named_tree("amber", settings))

    states = await survey_schemas(engine, [named_tree("amber", settings)])
    [state] = [state for state in states if state.owner == "amber"]
    assert state.current == "0009"
    assert "newer" in str(state.problem)


async def test_a_plugin_that_is_shut_out_or_refused_can_still_be_asked_for_its_tables(
    install_plugin: Install, settings: Settings
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    later = plugin_with_tables("birch", fields='requires=">=9",')
    install_plugin("birch", later, files=first("birch"))
    install_plugin("cedar", "import nothing_like_this", files=first("cedar"))
    install_plugin("docks", plugin_with_tables("docks"), files=first("docks"))
    install_plugin(
        "docks", plugin_with_tables("docks"), distribution="docks-twin", files=first("docks")
    )
    blocked = settings.model_copy(update={"blocked_plugins": ("amber",)})

    amber = named_tree("amber", blocked)
    birch = named_tree("birch", blocked)

    assert amber.version_table == "amber_schema"
    assert birch.version_table == "birch_schema"
    with pytest.raises(ConfigurationError, match="nothing_like_this"):
        named_tree("cedar", settings)
    with pytest.raises(ConfigurationError, match="claimed by"):
        named_tree("docks", settings)
    with pytest.raises(NotFoundError, match="no tables of its own"):
        named_tree("cleanup", settings)
    with pytest.raises(NotFoundError, match="No installed plugin"):
        named_tree("maple", settings)
