from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from ticketgen import Migrations, Plugin
from ticketgen.migrations.trees import plugin_tree
from ticketgen.migrations.upgrading import upgrade_plugins
from ticketgen.runtime import Runtime
from ticketgen.testing import check_migrations

pytestmark = pytest.mark.services

REVISION = """
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("acme_labels", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("acme_labels")
"""


def _plugin(versions: Path, *columns: Column[str]) -> Plugin:
    metadata = MetaData()
    Table("acme_labels", metadata, Column("id", Integer, primary_key=True), *columns)
    return Plugin(
        name="acme", summary="Labels.", migrations=Migrations(versions=versions, metadata=metadata)
    )


async def test_a_column_without_a_revision_is_a_flaw(runtime: Runtime, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "0001_first.py").write_text(REVISION, encoding="utf-8")
    same = _plugin(versions)
    assert same.migrations is not None
    [report] = await upgrade_plugins(runtime.engine, [plugin_tree("acme", same.migrations)])

    agreeing = await check_migrations(runtime.engine, same)
    [flaw] = await check_migrations(runtime.engine, _plugin(versions, Column("name", String(20))))

    assert report.problem is None
    assert agreeing == []
    assert flaw.where == "migrations of 'acme'"
    assert "name" in flaw.message
