from __future__ import annotations

import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.core.plugin_migrations.sources import first, plugin_with_tables, tables_in
from ticketgen.errors import ConfigurationError
from ticketgen.migrations import SchemaError, named_tree
from ticketgen.migrations.revising import schema_differences, write_revision
from ticketgen.migrations.trees import CORE_TREE
from ticketgen.settings import Settings
from ticketgen.testing import upgrade_plugins

pytestmark = pytest.mark.services

COLUMNS = """kind: Mapped[Kind] = mapped_column(words(Kind))
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)"""

KIND = """from enum import StrEnum

from ticketgen.tables import words


class Kind(StrEnum):
    REEF = "reef"


class Base("""


async def test_revisions_are_written_from_the_models_alone_and_lead_to_them(
    install_plugin: Callable[..., Any], engine: AsyncEngine, settings: Settings
) -> None:
    install_plugin("amber_glow", plugin_with_tables("amber_glow"), files=first("amber_glow"))
    await upgrade_plugins(settings)
    source = plugin_with_tables("amber", columns=COLUMNS).replace("class Base(", KIND, 1)
    install_plugin("amber", source, files={"versions/__init__.py": ""})
    tree = named_tree("amber", settings)

    written = await write_revision(engine, tree, message="Labels of sessions")
    with pytest.raises(SchemaError, match="not there yet; this version needs 0001"):
        await write_revision(engine, tree, message="too early")
    await upgrade_plugins(settings)
    nothing = await write_revision(engine, tree, message="nothing new")
    rows = await write_revision(engine, tree, message="fill", empty=True)
    await upgrade_plugins(settings)

    assert written is not None
    text = written.read_text()
    assert written.name == "0001_labels_of_sessions.py"
    assert "op.drop" not in text.partition("def downgrade")[0]
    assert "ticketgen" not in text
    assert "sa.DateTime(timezone=True)" in text
    assert "sa.String(30)" in text
    assert "ondelete='CASCADE'" in text
    assert "sessions.id" in text
    assert nothing is None
    assert rows is not None
    assert rows.name == "0002_fill.py"
    assert "down_revision = '0001'" in rows.read_text()
    assert await schema_differences(engine, tree) == ()
    assert await tables_in(engine, beginning="amber_l") == ["amber_labels"]


async def test_a_column_the_models_lost_is_a_difference_and_a_strange_table_is_none(
    install_plugin: Callable[..., Any], engine: AsyncEngine, settings: Settings
) -> None:
    files = first("amber")
    source = plugin_with_tables("amber")
    lost = source.replace("text: Mapped[str] = mapped_column(String(100))", "", 1)
    install_plugin("amber", lost, files=files)
    install_plugin("birch", plugin_with_tables("birch"), files=first("birch"))
    await upgrade_plugins(settings)

    differences = await schema_differences(engine, named_tree("amber", settings))

    assert len(differences) == 1
    assert "remove_column amber_labels" in differences[0]
    assert await schema_differences(engine, named_tree("birch", settings)) == ()
    assert await schema_differences(engine, CORE_TREE) == ()


async def test_no_revision_is_written_into_an_installed_copy(
    install_plugin: Callable[..., Any], engine: AsyncEngine, settings: Settings, tmp_path: Path
) -> None:
    install_plugin("amber", plugin_with_tables("amber"), files=first("amber"))
    tree = named_tree("amber", settings)
    installed = replace(tree, versions=Path(sysconfig.get_path("purelib")) / "amber" / "versions")

    with pytest.raises(ConfigurationError, match="installed copy") as copied:
        await write_revision(engine, installed, message="no")
    with pytest.raises(ConfigurationError, match="written to"):
        await write_revision(engine, replace(tree, versions=tmp_path / "none"), message="no")

    assert "pip install -e" in copied.value.recovery_actions[0]
